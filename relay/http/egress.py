"""Where the relay may dial: every dial's final address is checked, after DNS, right before the socket is made.

A resolver or a look at the URL is not enough: literal addresses reach no resolver, and a name may change its
address between check and dial. Here the checked address is the one that is dialled.
"""

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
AddrInfo = tuple[int, int, int, str, tuple[Any, ...]]
MARK = "the relay does not dial"  # in the text of every refusal; those who wrap the exception keep its text


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# Link-local with the clouds' metadata services, multicast, unspecified and broadcast: no webhook goes there.
ALWAYS_REFUSED = _networks(
    "0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32",
    "100.100.100.200/32", "192.0.0.192/32", "::/128", "fe80::/10", "ff00::/8", "fd00:ec2::254/128", "fd20:ce::254/128",
)  # fmt: skip
# What is not public: IANA's special-purpose registries (RFC 6890), with every form that embeds IPv4. The
# standard library's `is_global` is no help: it takes multicast, NAT64, 6to4 and others for global.
NOT_PUBLIC = _networks(
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
    "::/96", "::1/128", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
    "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Egress:
    """What may be dialled beside what never is: all but `denied`, and but `refused` that is not `allowed`."""

    refused: tuple[Network, ...] = ()
    allowed: tuple[Network, ...] = ()
    denied: tuple[Network, ...] = ()


ANY = Egress()
PUBLIC = Egress(refused=NOT_PUBLIC)


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
    ipaddress.IPv6Network(text)
    for text in ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48")
)


def refusal(host: str, egress: Egress = ANY) -> str:
    """Return why `host`, a literal address, may not be dialled, or '' if it may.

    An address that embeds another counts as both.
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    both = {address, unwrapped(address)}
    if (network := _within(both, ALWAYS_REFUSED)) is not None:
        return f"{host} lies in {network}, which {MARK} at all"
    if (network := _within(both, egress.denied)) is not None:
        return f"{host} lies in {network}, which {MARK}: it stands under `egress.deny`"
    if _within(both, egress.allowed) is not None:
        return ""
    if (network := _within(both, egress.refused)) is not None:
        return f"{host} lies in {network}, which {MARK}: it is not public; allow it under `egress.allow`"
    return ""


def _within(addresses: set[Address], networks: tuple[Network, ...]) -> Network | None:
    for network in networks:
        for address in addresses:
            if address.version == network.version and address in network:
                return network
    return None


def guarded(
    egress: Egress = ANY, make: Callable[[AddrInfo], socket.socket] | None = None
) -> Callable[[AddrInfo], socket.socket]:
    """Return a `socket_factory` for aiohttp's TCPConnector that raises EgressBlocked instead of dialling."""

    def factory(info: AddrInfo) -> socket.socket:
        why = refusal(str(info[4][0]), egress)
        if why:
            raise EgressBlocked(why)
        if make is not None:
            return make(info)
        made = socket.socket(info[0], info[1], info[2])
        made.setblocking(False)
        return made

    return factory
