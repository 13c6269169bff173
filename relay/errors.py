"""Why a thing went wrong: closed enums and the few exceptions, cut by what the caller can do.

One value serves the log field, the metric label, the API and the console alike.
"""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What became of one request on the public listener."""

    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"
    DUPLICATE = "duplicate"
    HANDSHAKE = "handshake"
    REJECTED = "rejected"
    REFUSED = "refused"


class Refusal(StrEnum):
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
    Refusal.MALFORMED: 400,
    Refusal.NOT_VERIFIED: 401,
    Refusal.FORBIDDEN: 403,
    Refusal.NO_ROUTE: 404,
    Refusal.METHOD_NOT_ALLOWED: 405,
    Refusal.BODY_TOO_SLOW: 408,
    Refusal.BODY_TOO_LARGE: 413,
    Refusal.UNSUPPORTED_MEDIA_TYPE: 415,
    Refusal.INVALID: 422,
    Refusal.RATE_LIMITED: 429,
    Refusal.STORE_UNAVAILABLE: 503,
    Refusal.DRAINING: 503,
    Refusal.BACKLOG_FULL: 503,
    Refusal.OVERLOADED: 503,
    Refusal.INTERNAL: 500,
}
_OURS = frozenset(
    {
        Refusal.RATE_LIMITED,
        Refusal.STORE_UNAVAILABLE,
        Refusal.DRAINING,
        Refusal.BACKLOG_FULL,
        Refusal.OVERLOADED,
        Refusal.INTERNAL,
    }
)


class Reason(StrEnum):
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

    `reason` decides the status and the metric; `detail` is what the sender may know; `where` lists the
    places in the payload that are wrong, for a 422.
    """

    def __init__(
        self,
        reason: Refusal,
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
    """A signature, token or password that does not hold; the text is for our log, never for the sender."""


class ExpressionFailed(RelayError):
    """An expression that compiled but could not be evaluated on this event."""


class TransformFailed(RelayError):
    """A transform or body expression raised, or returned what cannot be sent."""


class StoreUnavailable(RelayError):
    """The store cannot commit now; the caller may try again later."""


class StoreUnusable(RelayError):
    """The store cannot be opened at all; the text names the remedy."""


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
