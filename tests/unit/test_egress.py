"""Where the relay may dial. Nothing is dialled here: the guard is asked, with a fake way of making sockets."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.egress import AddrInfo, EgressBlocked, guarded, refusal

REFUSED = [
    "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "169.254.255.255", "224.0.0.1", "239.255.255.255",
    "255.255.255.255", "::", "fe80::1", "febf::1", "fe80::1%eth0", "ff02::1", "ff0e::1", "fd00:ec2::254", "fd20:ce::254",
    # Metadata services outside link-local: Alibaba Cloud, Oracle Cloud.
    "100.100.100.200", "192.0.0.192",
    # The same addresses inside IPv6: mapped, compatible, NAT64 (well-known and local), 6to4, Teredo.
    "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::FFFF:0.0.0.0", "::ffff:224.0.0.1", "::169.254.169.254",
    "64:ff9b::169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::", "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:5601:5601", "0:0:0:0:0:ffff:a9fe:a9fe",
]  # fmt: skip
ALLOWED = [
    "127.0.0.1", "127.8.8.8", "::1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "8.8.8.8", "1.1.1.1",
    "169.253.255.255", "169.255.0.0", "223.255.255.255", "fd00::1", "2606:4700:4700::1111", "::ffff:127.0.0.1",
    "64:ff9b::8.8.8.8", "2002:808:808::1",
]  # fmt: skip


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
    """Link-local, metadata, multicast, unspecified and broadcast are refused in every form they can be written."""
    with pytest.raises(EgressBlocked, match="never dials"):
        guarded(dials)(info(host))
    assert dials.asked == []


@pytest.mark.parametrize("host", ALLOWED)
def test_other_addresses_are_dialled_as_given(host: str, dials: Dials) -> None:
    """Any other address is dialled, and it is the very address that was checked."""
    assert guarded(dials)(info(host)) is dials.made
    assert dials.asked == [info(host)]


@pytest.mark.parametrize("host", REFUSED)
def test_refusal_names_address_and_range(host: str) -> None:
    """The text for `relay why` names what was refused."""
    assert host in refusal(host)


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
