"""Why a thing went wrong: closed enums and the few exceptions, cut by what the caller can do.

One value serves the log field, the metric label, the API and the console alike.
"""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The fate of one request on the public listener."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"
    DUPLICATE = "duplicate"
    HANDSHAKE = "handshake"
    REJECTED = "rejected"
    REFUSED = "refused"


class RequestReason(StrEnum):
    """Why a request was rejected (the sender's doing) or refused (ours: try again later)."""

    MALFORMED = "malformed"
    NOT_VERIFIED = "not_verified"
    FORBIDDEN = "forbidden"
    NO_ROUTE = "no_route"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    BODY_TOO_SLOW = "body_too_slow"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID = "invalid"
    RATE_LIMITED = "rate_limited"
    STORE_UNAVAILABLE = "store_unavailable"
    DRAINING = "draining"
    BACKLOG_FULL = "backlog_full"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"

    @property
    def status(self) -> int:
        """The HTTP status that answers it."""
        return _STATUS[self]

    @property
    def outcome(self) -> Outcome:
        """Under which outcome it is counted."""
        return Outcome.REFUSED if self in _OURS else Outcome.REJECTED


_STATUS = {
    RequestReason.MALFORMED: 400,
    RequestReason.NOT_VERIFIED: 401,
    RequestReason.FORBIDDEN: 403,
    RequestReason.NO_ROUTE: 404,
    RequestReason.METHOD_NOT_ALLOWED: 405,
    RequestReason.BODY_TOO_SLOW: 408,
    RequestReason.BODY_TOO_LARGE: 413,
    RequestReason.UNSUPPORTED_MEDIA_TYPE: 415,
    RequestReason.INVALID: 422,
    RequestReason.RATE_LIMITED: 429,
    RequestReason.STORE_UNAVAILABLE: 503,
    RequestReason.DRAINING: 503,
    RequestReason.BACKLOG_FULL: 503,
    RequestReason.OVERLOADED: 503,
    RequestReason.INTERNAL: 500,
}
_OURS = frozenset(
    {
        RequestReason.RATE_LIMITED,
        RequestReason.STORE_UNAVAILABLE,
        RequestReason.DRAINING,
        RequestReason.BACKLOG_FULL,
        RequestReason.OVERLOADED,
        RequestReason.INTERNAL,
    }
)


class DeliveryReason(StrEnum):
    """Why an attempt failed or a delivery is dead."""

    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    THROTTLED = "throttled"
    REDIRECTED = "redirected"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    TLS = "tls"
    DNS = "dns"
    BLOCKED = "blocked"
    GONE = "gone"
    EXPIRED = "expired"
    TRANSFORM_FAILED = "transform_failed"
    TARGET_REMOVED = "target_removed"
    DROPPED_BY_OPERATOR = "dropped_by_operator"


class RelayError(Exception):
    """Anything this package raises on purpose."""


class Rejected(RelayError):
    """A request that is answered with an error.

    `reason` decides the status and the metric; the sender may know `detail`; `where` lists the
    faulty places of a body, with their messages, for a 422; `retry_after` is in seconds.
    """

    def __init__(
        self,
        reason: RequestReason,
        detail: str,
        *,
        where: tuple[tuple[str, str], ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.where = where
        self.retry_after = retry_after


class NotVerified(RelayError):
    """A signature, token or password that does not hold; the text is never for the sender."""


class ExpressionFailed(RelayError):
    """An expression that compiled but could not be evaluated on this event."""


class TransformFailed(RelayError):
    """A transform or body expression raised, or returned what cannot be sent."""


class StoreUnavailable(RelayError):
    """The store cannot commit now; the caller may try again later."""


class StoreUnusable(RelayError):
    """The store cannot be opened at all; the text names the remedy."""


class LibraryUnusable(RelayError):
    """A library lacks a name that the relay needs of it; the text tells the remedy."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong in a config or route file: where, what, and what to do about it."""

    file: str
    line: int
    column: int
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        tail = f" — {self.remedy}" if self.remedy else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{tail}"


class ConfigInvalid(RelayError):
    """All that is wrong in all files, in the order of the files."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
