"""The addresses that the relay may dial: each is checked right before its socket is made.

A resolver or a look at the URL is not enough: literal addresses reach no resolver, and a name may
change its address between check and dial. Here the checked address is the one that is dialled.
"""

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from relay.errors import RelayError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
AddrInfo = tuple[int, int, int, str, tuple[Any, ...]]
# In the text of every refusal: aiohttp wraps the exception, and keeps its text.
MARK = "the relay does not dial"


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# Link-local with the clouds' metadata services, multicast, unspecified and broadcast addresses: no
# webhook goes there.
ALWAYS_REFUSED = _networks(
    "0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255/32", "100.100.100.200/32",
    "192.0.0.192/32", "::/128", "fe80::/10", "ff00::/8", "fd00:ec2::254/128", "fd20:ce::254/128",
)  # fmt: skip
# IANA's special-purpose registries (RFC 6890), with every form that embeds IPv4. The standard
# library's `is_global` is no help: it takes multicast, NAT64, 6to4 and others for global.
NOT_PUBLIC = _networks(
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "::/96", "::1/128", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23",
    "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10",
    "ff00::/8",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Egress:
    """The addresses that may be dialled, apart from those in ALWAYS_REFUSED, which never are.

    All may, but those in `denied`, and those in `refused` that are not in `allowed`.
    """

    refused: tuple[Network, ...] = ()
    allowed: tuple[Network, ...] = ()
    denied: tuple[Network, ...] = ()


ANY = Egress()
PUBLIC = Egress(refused=NOT_PUBLIC)


class EgressBlocked(RelayError, OSError):
    """A dial to an address that is not allowed.

    It is an OSError as well: by that a socket factory tells aiohttp that an address can't be
    dialled, and aiohttp goes on with the name's next one.
    """


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address that is embedded in an IPv6 one, else the address itself.

    It may be embedded as IPv4-mapped, IPv4-compatible, NAT64, 6to4 or Teredo.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in network for network in _EMBEDDING) and int(address) > 1:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


# IPv4-mapped and -compatible (RFC 4291 §2.5.5) and NAT64 addresses (RFC 6052, RFC 8215) end with
# the 32 bits of an IPv4 one.
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
        why = "it is not public; allow it under `egress.allow`"
        return f"{host} lies in {network}, which {MARK}: {why}"
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
    """Return a `socket_factory` for aiohttp's TCPConnector that raises EgressBlocked.

    `make` makes the socket of an address that may be dialled.
    """

    def factory(info: AddrInfo) -> socket.socket:
        why = refusal(str(info[4][0]), egress)
        if why:
            raise EgressBlocked(why)
        if make is not None:
            return make(info)
        dialled = socket.socket(info[0], info[1], info[2])
        dialled.setblocking(False)
        return dialled

    return factory
