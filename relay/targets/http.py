"""Targets that are a URL: each attempt is a request. aiohttp's exceptions become reasons here."""

import base64
import re
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Literal

import aiohttp
from pydantic import Field, field_validator, model_validator
from yarl import URL

from relay import __version__
from relay.clock import wall
from relay.delivery.retry import retry_after
from relay.delivery.settle import Attempt
from relay.errors import DeliveryReason
from relay.event import Delivery
from relay.fields.model import (
    PORTS,
    Model,
    Positive,
    Secrets,
    is_header_value,
    own_header,
    own_headers,
)
from relay.fields.units import PerTime, fault
from relay.http.egress import MARK, Egress, EgressBlocked, guarded, refusal
from relay.http.exchange import Exchanges
from relay.routing.transform import Outgoing
from relay.targets.target import (
    DEFAULT_RETRY,
    Breaker,
    Kind,
    LaneOptions,
    Options,
    RetryOption,
    Section,
)
from relay.verify.scheme import KeyInvalid
from relay.verify.standard_webhooks import decode_key, signatures

_STANDING = {
    "user-agent": f"relay/{__version__}",
    "accept": "*/*",
    "accept-encoding": "identity",
}
_DETAIL = 300  # characters of a failed response that are kept
_URL = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)(?::(\d{1,5}))?(?:[/?][^\s#]*)?")
# W3C Trace Context §3.2
_TRACE = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
_ERRNO = re.compile(r"\[Errno -?\d")


class Timeout(Model):
    """How long an attempt may take."""

    connect: Positive = Field(default=5.0, description="For the name, the connection and TLS.")
    total: Positive = Field(default=15.0, description="For the attempt as a whole.")


class Sign(Model):
    """Sign what is sent, after Standard Webhooks."""

    scheme: Literal["standard-webhooks"] = Field(
        default="standard-webhooks", description="How it is signed."
    )
    secrets: Secrets = Field(
        description="Secret references; each signs, so that a receiver can rotate."
    )


class BasicAuth(Model):
    """HTTP Basic credentials."""

    username: str = Field(description="The user's name.")
    password: str = Field(description="The password, a secret reference.")


class HeaderAuth(Model):
    """A secret in a header of its own."""

    name: str = Field(description="The header's name.")
    value: str = Field(description="Its value, a secret reference.")

    _check = field_validator("name")(own_header)


class Auth(Model):
    """How the relay proves itself to a target: one of these."""

    bearer: str | None = Field(
        default=None, description="A secret reference, sent as `authorization: Bearer …`."
    )
    basic: BasicAuth | None = Field(default=None, description="HTTP Basic credentials.")
    header: HeaderAuth | None = Field(default=None, description="A secret in a header of its own.")

    @model_validator(mode="after")
    def _check_one_way(self) -> "Auth":
        if sum(way is not None for way in (self.bearer, self.basic, self.header)) != 1:
            raise fault("auth needs exactly one way", "give one of bearer, basic, header")
        return self

    def headers(self, section: Section) -> Mapping[str, str]:
        """Return the header that carries the credentials, its secret followed."""
        if self.basic is not None:
            password = section.secret(("auth", "basic", "password"), self.basic.password)
            pair = self.basic.username.encode() + b":" + password
            return {"authorization": "Basic " + base64.b64encode(pair).decode()}
        if self.header is not None:
            return {
                self.header.name: _text(section, ("auth", "header", "value"), self.header.value)
            }
        return {"authorization": f"Bearer {_text(section, ('auth', 'bearer'), self.bearer or '')}"}


class HttpOptions(Options):
    """Deliveries go to a URL."""

    url: str = Field(description="An http or https URL without user, password or fragment.")
    method: Literal["POST", "PUT", "PATCH"] = Field(
        default="POST", description="The method, unless a transform gives another."
    )
    timeout: Timeout = Field(
        default=Timeout.model_construct(), description="How long an attempt may take."
    )
    concurrency: int = Field(default=16, ge=1, le=1000, description="Attempts in flight at most.")
    partitions: int = Field(
        default=1, ge=1, le=64,
        description=(
            "Lanes that events are divided into by key, each with its own concurrency, rate and "
            "breaker; changed by a restart."
        ),
    )  # fmt: skip
    rate: PerTime | None = Field(
        default=None, description="Attempts that begin in a time at most; by default any number."
    )
    retry: RetryOption = DEFAULT_RETRY
    breaker: Breaker = Field(
        default=Breaker.model_construct(),
        description="When a failing target is left alone for a while.",
    )
    sign: Sign | None = Field(default=None, description="Sign what is sent; by default it isn't.")
    auth: Auth | None = Field(
        default=None,
        description="How the relay proves itself to the target; by default it doesn't.",
    )
    headers: dict[str, str] = Field(default={}, description="Headers that every request gets.")
    give_up_on: list[Annotated[int, Field(ge=300, le=599)]] = Field(
        default=[], description="Statuses that make a delivery dead at once; 410 always does."
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        match = _URL.fullmatch(value)
        if match is None or int(match[1] or 0) > PORTS:
            raise fault(
                "is not a target's URL",
                "write http://… or https://… without user, password or fragment; "
                "credentials go under `auth`",
            )
        return value

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not is_header_value(text):
                raise fault(
                    f"the value of {name} has control characters",
                    "write printable text on one line",
                )
        return own_headers(value)

    def settings(self, section: Section) -> "HttpSettings":
        """Return the settings, secrets followed; the address must be one that may be dialled."""
        if why := _refused(self.url, section.egress):
            section.problem(("url",), why, "the relay could not reach it; name another address")
        keys = []
        for n, reference in enumerate(self.sign.secrets if self.sign else ()):
            path = ("sign", "secrets", n)
            value = section.secret(path, reference)
            try:
                keys.append(decode_key(value))
            except KeyInvalid as error:
                section.problem(path, str(error), error.remedy)
        credentials = self.auth.headers(section) if self.auth is not None else {}
        return HttpSettings(section.name, self, credentials, tuple(keys), section.egress)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """A URL target; `credentials` are headers, by their names."""

    name: str
    options: HttpOptions = field(repr=False)
    credentials: Mapping[str, str] = field(repr=False)
    signing_keys: tuple[bytes, ...] = field(repr=False)
    egress: Egress

    @property
    def lane(self) -> LaneOptions:
        """All of it as the options say."""
        options = self.options
        return LaneOptions(
            self.name,
            options.retry.policy,
            options.concurrency,
            give_up_on=frozenset(options.give_up_on),
            breaker=options.breaker.policy,
            rate=options.rate,
            partitions=options.partitions,
            longest_wait=options.retry.longest_wait,
        )

    def open(self) -> "HttpTarget":
        """Return a target that dials with its first attempt."""
        return HttpTarget(self)


class HttpTarget:
    """Attempts over HTTP, on connections of this target's own that are kept alive and reused."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._method = settings.options.method
        self._own = {**settings.options.headers, **settings.credentials}
        self._keys = settings.signing_keys
        self._exchanges: Exchanges | None = None

    async def attempt(self, delivery: Delivery, outgoing: Outgoing) -> Attempt:
        """Send the request once, without following redirects."""
        at = wall()
        headers = self._headers(delivery, outgoing, at)
        began = time.perf_counter()
        try:
            exchanges = self._exchanges or self._begin()
            reply = await exchanges.make(outgoing.method or self._method, headers, outgoing.body)
        except Exception as error:  # noqa: BLE001 - any error of the client is a failed attempt
            return Attempt(
                at, time.perf_counter() - began, reason=reason_of(error), detail=_describe(error)
            )
        duration = time.perf_counter() - began
        if 200 <= reply.status < 300:
            return Attempt(at, duration, reply.status)
        wait = reply.headers.get("retry-after")
        return Attempt(
            at,
            duration,
            reply.status,
            detail=self._detail(reply.body),
            retry_after=retry_after(wait, wall()) if wait else None,
        )

    def _detail(self, body: bytes) -> str:
        """Return a failed response's beginning for people, without credentials that it echoes."""
        text = body.decode("utf-8", "replace")
        for value in self._settings.credentials.values():
            secret = value.removeprefix("Bearer ").removeprefix("Basic ")
            text = text.replace(secret or value, "…")
        return text[:_DETAIL].strip()

    async def close(self) -> None:
        """Close the connections."""
        if self._exchanges is not None:
            await self._exchanges.close()

    def _begin(self) -> Exchanges:
        """Make the pool, with the first attempt: most of a thousand targets may rest for days."""
        timeout = self._settings.options.timeout
        connector = aiohttp.TCPConnector(
            limit=0,  # the lane bounds how many there are
            socket_factory=guarded(self._settings.egress),
        )
        url = URL(self._settings.options.url)
        self._exchanges = Exchanges(url, connector, timeout.connect, timeout.total, _STANDING)
        return self._exchanges

    def _headers(self, delivery: Delivery, outgoing: Outgoing, now: float) -> dict[str, str]:
        event = delivery.event
        timestamp = int(now)
        headers = {
            **outgoing.headers,
            **self._own,
            "webhook-id": event.id,
            "webhook-timestamp": str(timestamp),
            "relay-route": event.route,
            "relay-attempt": str(delivery.attempts + 1),
            "traceparent": traceparent(delivery),
        }
        if self._keys:
            headers["webhook-signature"] = signatures(
                self._keys, event.id, timestamp, outgoing.body
            )
        return headers


def _refused(url: str, egress: Egress) -> str:
    """Return why a URL's literal address can't be dialled; of a name, only the dial can tell."""
    try:
        return refusal(URL(url).host or "", egress)
    except ValueError:
        return ""


def _text(section: Section, path: tuple[str, ...], reference: str) -> str:
    """Return a secret as a header's value."""
    text = section.secret(path, reference).decode("utf-8", "surrogateescape")
    if not is_header_value(text):
        section.problem(
            path, "the secret can't stand in a header", "write it as printable text on one line"
        )
    return text


def traceparent(delivery: Delivery) -> str:
    """Return an attempt's W3C trace context, in the sender's trace or else in the event's own."""
    span = _span(delivery.n, delivery.attempts)
    sent = delivery.event.headers.get("traceparent")
    if sent and (match := _TRACE.fullmatch(sent)):
        return f"00-{match[1]}-{span}-{match[2]}"
    return f"00-{delivery.event.id[4:].zfill(32)}-{span}-00"


@lru_cache(maxsize=256)
def _span(n: int, attempts: int) -> str:
    return f"{n + 1:08x}{attempts + 1:08x}"


def reason_of(error: BaseException) -> DeliveryReason:
    """Return the reason that an exception of aiohttp, or below it, stands for."""
    match error:
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            return DeliveryReason.DNS
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return DeliveryReason.TLS
        case TimeoutError():
            return DeliveryReason.TIMEOUT
        case aiohttp.InvalidURL() | EgressBlocked():
            return DeliveryReason.BLOCKED
        case _ if _blocked(error):
            return DeliveryReason.BLOCKED
    return DeliveryReason.CONNECTION


def _blocked(error: BaseException) -> bool:
    """Tell whether all addresses of a name were refused.

    The errors of several addresses come as one, of which only the text is left. An address that was
    dialled left an errno of the system in it; "[Errno None]" is none.
    """
    text = _error_text(error)
    return MARK in text and _ERRNO.search(text) is None


def _error_text(error: BaseException) -> str:
    """Return an exception's text; aiohttp's own of a failed dial leaves out what has no errno."""
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return str(inner if MARK in str(inner) else error).strip()


def _describe(error: BaseException) -> str:
    text = _error_text(error)
    return f"{type(error).__name__}: {text}"[:_DETAIL] if text else type(error).__name__


KIND = Kind("url", HttpOptions)
