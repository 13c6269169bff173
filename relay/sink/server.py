"""The sink's listener: each connection answers its requests with one fault."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from itertools import count

from relay.sink.faults import Fault
from relay.sink.request import Heard, read

_HEAD_LIMIT = 1 << 17  # bytes of a request's head


async def serve(
    fault: Fault,
    heard: Callable[[Heard], None],
    host: str,
    port: int,
    context: ssl.SSLContext | None = None,
    connections: set["asyncio.Task[None] | None"] | None = None,
) -> asyncio.Server:
    """Listen as a target with this fault; `heard` is told of each request before it is answered.

    `connections` holds the tasks of those that are open.
    """
    numbers = count(1)
    opened = count(1)
    connections = set() if connections is None else connections

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        connection = next(opened)
        try:
            with contextlib.suppress(
                OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
            ):
                while (request := await read(reader, numbers, connection)) is not None:
                    heard(request)
                    if not await _or_gone(fault.answer(request, writer), reader):
                        break
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        finally:
            writer.transport.abort()
            connections.discard(asyncio.current_task())

    return await asyncio.start_server(
        connected, host, port, limit=_HEAD_LIMIT, ssl=context, backlog=512
    )


async def _or_gone(answering: Awaitable[bool], reader: asyncio.StreamReader) -> bool:
    """Answer until the other side is gone: it sends nothing before it has its answer."""
    answer = asyncio.ensure_future(answering)
    gone = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            return False
        return answer.result() and not gone.done()
    finally:
        for task in (answer, gone):
            task.cancel()
        await asyncio.gather(answer, gone, return_exceptions=True)
