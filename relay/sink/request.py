"""A request as a sink reads it: heads and bodies of any well-behaved client."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heard:
    """A request as it came; header names are lower-case. `number` and `connection` count from 1."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    number: int
    connection: int


async def read(
    reader: asyncio.StreamReader, numbers: Iterator[int], connection: int
) -> Heard | None:
    """Return the next request, None if there is none any more.

    `numbers` numbers requests, `connection` is the number of theirs.
    """
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, path, _ = head[0].split(" ", 2)
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _read_chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Heard(method, path, headers, body, next(numbers), connection)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body
