"""Where the relay may dial: every dial's final address is checked, after DNS, right before the socket is made.

A resolver or a look at the URL is not enough: literal addresses reach no resolver, and a name may change its
address between check and dial. Here the checked address is the one that is dialled.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
AddrInfo = tuple[int, int, int, str, tuple[Any, ...]]

# Link-local with the clouds' metadata services, multicast, unspecified and broadcast: no webhook goes there.
ALWAYS_REFUSED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32",
        "100.100.100.200/32", "192.0.0.192/32", "::/128", "fe80::/10", "ff00::/8", "fd00:ec2::254/128", "fd20:ce::254/128",
    )
)  # fmt: skip


class EgressBlocked(OSError):
    """A dial to an address that is not allowed."""


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address inside a mapped, compatible, NAT64, 6to4 or Teredo one, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _EMBEDDING) and int(address) > 1:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


# IPv4-mapped and -compatible (RFC 4291 §2.5.5), NAT64 (RFC 6052, RFC 8215): the last 32 bits are IPv4's.
_EMBEDDING = tuple(
    ipaddress.IPv6Network(text) for text in ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48")
)


def refusal(host: str, refused: Sequence[Network] = ALWAYS_REFUSED) -> str:
    """Return why `host`, a literal address, may not be dialled, or '' if it may."""
    address = unwrapped(ipaddress.ip_address(host.partition("%")[0]))
    for network in refused:
        if address.version == network.version and address in network:
            return f"{host} lies in {network}, which the relay never dials"
    return ""


def guarded(make: Callable[[AddrInfo], socket.socket] | None = None) -> Callable[[AddrInfo], socket.socket]:
    """Return a `socket_factory` for aiohttp's TCPConnector that raises EgressBlocked instead of dialling."""

    def factory(info: AddrInfo) -> socket.socket:
        why = refusal(str(info[4][0]))
        if why:
            raise EgressBlocked(why)
        if make is not None:
            return make(info)
        made = socket.socket(info[0], info[1], info[2])
        made.setblocking(False)
        return made

    return factory
