"""The addresses that the relay may dial. Nothing is dialled here: the guard makes fake sockets."""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import RelayError
from relay.http.egress import (
    ANY,
    MARK,
    NOT_PUBLIC,
    PUBLIC,
    AddrInfo,
    Egress,
    EgressBlocked,
    guarded,
    refusal,
)

REFUSED = [
    "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "169.254.255.255", "224.0.0.1",
    "239.255.255.255", "255.255.255.255", "::", "fe80::1", "febf::1", "fe80::1%eth0", "ff02::1",
    "ff0e::1", "fd00:ec2::254", "fd20:ce::254",
    # Metadata services outside link-local: Alibaba Cloud, Oracle Cloud.
    "100.100.100.200", "192.0.0.192",
    # The same inside IPv6: mapped, compatible, NAT64 (well-known and local), 6to4, Teredo.
    "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::FFFF:0.0.0.0", "::ffff:224.0.0.1",
    "::169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::", "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:5601:5601", "0:0:0:0:0:ffff:a9fe:a9fe",
]  # fmt: skip
ALLOWED = [
    "127.0.0.1", "127.8.8.8", "::1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1",
    "8.8.8.8", "1.1.1.1", "169.253.255.255", "169.255.0.0", "223.255.255.255", "fd00::1",
    "2606:4700:4700::1111", "::ffff:127.0.0.1", "64:ff9b::8.8.8.8", "2002:808:808::1",
]  # fmt: skip
# An address of each range that is not public, and of each form that embeds one.
PRIVATE = [
    "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.1.1",
    "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1",
    "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "240.0.0.1",
    "255.255.255.255", "::", "::1", "::7f00:1", "::127.0.0.1", "::ffff:127.0.0.1",
    "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
    "2002:7f00:1::", "3fff::1", "5f00::1", "fc00::1", "fd12:3456:789a::1", "fe80::1",
    "fe80::1%lo", "fec0::1", "ff02::1",
]  # fmt: skip
ON_THE_NET = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
    "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
    "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450::1", "2001:4860::8888",
]  # fmt: skip
EVERYTHING_4 = ipaddress.ip_network("0.0.0.0/0")
EVERYTHING_6 = ipaddress.ip_network("::/0")


def info(host: str) -> AddrInfo:
    address: tuple[Any, ...] = (host, 443, 0, 0) if ":" in host else (host, 443)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address


class Dials:
    """Stands for the making of sockets, and remembers for which addresses it was asked."""

    def __init__(self) -> None:
        self.asked: list[AddrInfo] = []
        self.made = socket.socket()

    def __call__(self, asked: AddrInfo) -> socket.socket:
        self.asked.append(asked)
        return self.made


@pytest.fixture
def dials() -> Iterator[Dials]:
    made = Dials()
    yield made
    made.made.close()


@pytest.mark.parametrize("host", REFUSED)
def test_address_is_refused_before_a_socket_is_made(host: str, dials: Dials) -> None:
    """Link-local, metadata, multicast, unspecified and broadcast: refused in every form."""
    for egress in (ANY, PUBLIC, Egress(allowed=(EVERYTHING_4, EVERYTHING_6))):
        with pytest.raises(EgressBlocked, match=MARK):
            guarded(egress, dials)(info(host))
    assert dials.asked == []


@pytest.mark.parametrize("host", ALLOWED)
def test_other_addresses_are_dialled_as_given(host: str, dials: Dials) -> None:
    """Any other address is dialled, and it is the very address that was checked."""
    assert guarded(ANY, dials)(info(host)) is dials.made
    assert dials.asked == [info(host)]


@pytest.mark.parametrize("host", REFUSED)
def test_refusal_names_address_and_range(host: str) -> None:
    """The text for `relay why` names what was refused."""
    assert host in refusal(host)


@pytest.mark.parametrize("host", PRIVATE)
def test_public_refuses_what_is_not_public(host: str, dials: Dials) -> None:
    """`egress: public` refuses every special-purpose range in every form, before a dial."""
    with pytest.raises(EgressBlocked, match=MARK):
        guarded(PUBLIC, dials)(info(host))
    assert dials.asked == []


@pytest.mark.parametrize("host", ON_THE_NET)
def test_public_dials_what_is_public(host: str, dials: Dials) -> None:
    """`egress: public` dials the neighbours of those ranges."""
    assert guarded(PUBLIC, dials)(info(host)) is dials.made


def test_each_range_of_the_table_has_an_example() -> None:
    """No range of the table goes without a test."""
    hosts = [ipaddress.ip_address(host.partition("%")[0]) for host in PRIVATE]
    missing = [
        net for net in NOT_PUBLIC if not any(h.version == net.version and h in net for h in hosts)
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("host", "refused"),
    [
        ("10.20.1.1", False),  # allowed although private
        ("::ffff:10.20.1.1", False),  # the same address
        ("10.21.1.1", True),  # private, not allowed
        ("10.20.9.9", True),  # denied although allowed
        ("::ffff:10.20.9.9", True),
        ("8.8.8.8", True),  # denied although public
        ("8.8.4.4", False),
        ("169.254.169.254", True),  # never, whatever is allowed
    ],
)
def test_allow_and_deny_refine_public(host: str, *, refused: bool) -> None:
    """An allowed address may be dialled though private, a denied one never."""
    networks = [
        ipaddress.ip_network(text)
        for text in ("10.20.0.0/16", "169.254.0.0/16", "10.20.9.0/24", "8.8.8.8")
    ]
    egress = Egress(NOT_PUBLIC, tuple(networks[:2]), tuple(networks[2:]))
    assert bool(refusal(host, egress)) is refused


@given(last=st.integers(0, 2**16 - 1), form=st.sampled_from(["{}", "::ffff:{}", "64:ff9b::{}"]))
def test_all_of_link_local_is_refused(last: int, form: str) -> None:
    """No address of 169.254.0.0/16 slips through, in no form."""
    assert refusal(form.format(f"169.254.{last >> 8}.{last & 255}"))


@given(last=st.integers(0, 2**24 - 1))
def test_all_of_loopback_may_be_dialled(last: int) -> None:
    """A target on this machine is allowed unless the config says otherwise."""
    assert refusal(f"127.{last >> 16}.{last >> 8 & 255}.{last & 255}") == ""


@given(address=st.ip_addresses())
def test_every_address_has_an_answer(address: Any) -> None:
    """Whatever DNS answers, the guard says yes or no."""
    assert isinstance(refusal(str(address)), str)


def test_without_a_maker_a_socket_is_made_that_does_not_block() -> None:
    """The socket that aiohttp gets is not connected and does not block the loop."""
    made = guarded()(info("127.0.0.1"))
    try:
        assert made.getblocking() is False
        assert made.family == socket.AF_INET
    finally:
        made.close()


def test_a_blocked_dial_is_the_relay_s_error_and_the_system_s() -> None:
    """A socket factory tells aiohttp by an OSError that an address can't be dialled."""
    error = EgressBlocked("10.0.0.1 lies in 10.0.0.0/8")
    assert isinstance(error, RelayError)
    assert isinstance(error, OSError)
    assert str(error) == "10.0.0.1 lies in 10.0.0.0/8"
