"""The parts of an attempt that need no network: trace context, reasons of exceptions."""

import re
import socket
import ssl
from collections.abc import Mapping

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from relay.clock import Steady, Wall
from relay.errors import DeliveryReason
from relay.event import Delivery, Event, format_id
from relay.http.egress import EgressBlocked
from relay.targets.http import reason_of, traceparent

NOW = 1_700_000_000.25
KEY = ConnectionKey("chat.example.org", 443, True, True, None, None, None)


def delivery(
    headers: Mapping[str, str] | None = None, *, n: int = 0, attempts: int = 0
) -> Delivery:
    event = Event(
        5, format_id(5, 7), "hello", "", "push", "k", "", Wall(NOW), headers or {}, {}, b""
    )
    return Delivery(event, n, "inbox", "inbox", attempts, Steady(NOW), 1)


TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


def test_trace_of_the_sender_goes_on() -> None:
    """The sender's trace id and flags are kept; the span is the attempt's own (W3C §3.2)."""
    text = traceparent(delivery({"traceparent": f"00-{TRACE}-{PARENT}-01"}, n=1, attempts=2))
    assert text == f"00-{TRACE}-0000000200000003-01"


@pytest.mark.parametrize(
    "given_trace",
    [
        "",
        "junk",
        f"00-{TRACE}-{PARENT}",
        f"00-{TRACE}-{PARENT}-01-extra",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f" 00-{TRACE}-{PARENT}-01",
    ],
)
def test_invalid_trace_is_ignored(given_trace: str) -> None:
    """A trace that the standard calls invalid, zeros included, makes way for the event's own."""
    text = traceparent(delivery({"traceparent": given_trace}))
    assert text == f"00-{format_id(5, 7)[4:]:0>32}-0000000100000001-00"


@given(n=st.integers(0, 10_000), attempts=st.integers(0, 10_000))
def test_trace_context_is_well_formed_and_names_the_attempt(n: int, attempts: int) -> None:
    """Every attempt has a span of its own, never all zeros."""
    text = traceparent(delivery(n=n, attempts=attempts))
    match = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", text)
    assert match
    assert int(match[1], 16)
    assert int(match[2], 16)
    assert text != traceparent(delivery(n=n, attempts=attempts + 1))
    assert text != traceparent(delivery(n=n + 1, attempts=attempts))


def several(*errors: OSError) -> aiohttp.ClientConnectorError:
    """Return what aiohttp raises when each address of a name failed in another way.

    As aiohappyeyeballs' `start_connection` makes it: with an errno if all have the same one, and
    None counts as one.
    """
    text = f"Multiple exceptions: {', '.join(map(str, errors))}"
    same = len({error.errno for error in errors}) == 1
    return aiohttp.ClientConnectorError(
        KEY, OSError(errors[0].errno, text) if same else OSError(text)
    )


BLOCKED = EgressBlocked(
    "169.254.169.254 lies in 169.254.0.0/16, which the relay does not dial at all"
)
REASONS: list[tuple[Exception, DeliveryReason]] = [
    (
        aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "Name or service not known")),
        DeliveryReason.DNS,
    ),
    (socket.gaierror(-2, "Name or service not known"), DeliveryReason.DNS),
    (aiohttp.ClientConnectorSSLError(KEY, OSError(1, "wrong version number")), DeliveryReason.TLS),
    (
        aiohttp.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError("self-signed")),
        DeliveryReason.TLS,
    ),
    (ssl.SSLError(1, "bad record mac"), DeliveryReason.TLS),
    (TimeoutError(), DeliveryReason.TIMEOUT),
    (aiohttp.ServerTimeoutError(), DeliveryReason.TIMEOUT),
    (aiohttp.ConnectionTimeoutError(), DeliveryReason.TIMEOUT),
    (aiohttp.SocketTimeoutError(), DeliveryReason.TIMEOUT),
    (
        aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(111, "refused")),
        DeliveryReason.CONNECTION,
    ),
    (aiohttp.ServerDisconnectedError(), DeliveryReason.CONNECTION),
    (aiohttp.ClientPayloadError("cut short"), DeliveryReason.CONNECTION),
    (aiohttp.ClientOSError(104, "reset"), DeliveryReason.CONNECTION),
    (ConnectionResetError(104, "reset"), DeliveryReason.CONNECTION),
    (BrokenPipeError(32, "broken pipe"), DeliveryReason.CONNECTION),
    (ValueError("anything else"), DeliveryReason.CONNECTION),
    (BLOCKED, DeliveryReason.BLOCKED),
    (aiohttp.ClientConnectorError(KEY, BLOCKED), DeliveryReason.BLOCKED),
    # Several addresses of a name: all refused, or one of them dialled in vain.
    (several(BLOCKED, BLOCKED), DeliveryReason.BLOCKED),
    (
        several(BLOCKED, ConnectionRefusedError(111, "Connect call failed")),
        DeliveryReason.CONNECTION,
    ),
    (
        several(*[ConnectionRefusedError(111, f"Connect call failed {n}") for n in range(2)]),
        DeliveryReason.CONNECTION,
    ),
    (aiohttp.InvalidURL(URL("http://example.org")), DeliveryReason.BLOCKED),
]


@pytest.mark.parametrize(("error", "reason"), REASONS, ids=lambda value: type(value).__name__)
def test_exception_has_one_reason(error: Exception, reason: DeliveryReason) -> None:
    """Each exception of aiohttp, or below it, stands for one reason of the closed list."""
    assert reason_of(error) is reason
