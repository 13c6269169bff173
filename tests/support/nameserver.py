"""A name server on loopback that answers as a test sets it up, for the relay's own resolver."""

import asyncio
import ipaddress
import struct

NO_ERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
_A = 1


class NameServer(asyncio.DatagramProtocol):
    """Answers every name: with `addresses` if there are any, else with `code`.

    While `silent`, it does not answer.
    """

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.code = NO_ERROR
        self.silent = False
        self.asked = 0
        self.address = ""
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self._transport = transport
        self.address = "127.0.0.1:{}".format(transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question (RFC 1035 §4)."""
        self.asked += 1
        if self.silent or self._transport is None:
            return
        end = data.index(b"\0", 12) + 5
        (kind,) = struct.unpack("!H", data[end - 4 : end - 2])
        found = (
            [ipaddress.IPv4Address(text).packed for text in self.addresses] if kind == _A else []
        )
        code = NO_ERROR if self.addresses else self.code
        head = data[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(found), 0, 0)
        records = b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", _A, 1, 0, 4) + packed for packed in found
        )
        self._transport.sendto(head + data[12:end] + records, addr)
