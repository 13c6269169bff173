"""Senders that post numbers until each is answered 2xx, and a target that counts them.

The target breaks on demand.
"""

import asyncio
import itertools
import json
import time
from enum import Enum

import aiohttp
from aiohttp import web

from tests.faults.ledger import Ledger, Seen
from tests.support.process import RelayProcess

SENDERS = 8
KEYS = 7


class Mood(Enum):
    """How a counting target answers."""

    FINE = "200"
    FAILING = "500"
    RESETTING = "reset"


class CountingTarget:
    """Keeps of each request what the ledger needs, and answers by its mood."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.mood = Mood.FINE
        self.url = ""
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None))

    async def start(self) -> None:
        """Listen on a free port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=512).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"

    async def close(self) -> None:
        """Close it."""
        await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        at = time.monotonic()
        headers = request.headers
        number = json.loads(await request.read())["n"]
        fine = self.mood is Mood.FINE
        self.seen.append(
            Seen(number, headers["webhook-id"], int(headers["relay-attempt"]), at, fine)
        )
        if self.mood is Mood.RESETTING:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=200 if fine else 500)


class Load:
    """Several senders at once; what is not answered 2xx they post again, with the same id."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._url = ""
        self._numbers = itertools.count()
        self._up = asyncio.Event()
        self._ending = False
        self._answered = asyncio.Condition()

    def aim(self, relay: RelayProcess) -> None:
        """Post to this relay from now on."""
        self._url = f"{relay.public}/in/in"
        self._up.set()

    def rest(self) -> None:
        """Wait for the next `aim`; what is on its way stays so."""
        self._up.clear()

    def end(self) -> None:
        """Start no new number."""
        self._ending = True

    async def wait_for(self, count: int) -> None:
        """Return once so many numbers more have been accepted."""
        aim = len(self.ledger.accepted) + count
        async with asyncio.timeout(60), self._answered:
            await self._answered.wait_for(lambda: len(self.ledger.accepted) >= aim)

    async def send(self) -> None:
        """Be one sender."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
            while not self._ending:
                number = next(self._numbers)
                while not await self._post(session, number):
                    pass

    async def _post(self, session: aiohttp.ClientSession, number: int) -> bool:
        await self._up.wait()
        ledger = self.ledger
        ledger.posted.add(number)
        try:
            async with session.post(self._url, json={"n": number, "k": number % KEYS}) as response:
                status, answer = response.status, await response.json(content_type=None)
        except (aiohttp.ClientError, OSError):
            ledger.broken += 1
            await asyncio.sleep(0.01)  # until the run notices that it is gone
            return False
        if status >= 300:
            assert status == 503, answer  # it drains
            await asyncio.sleep(0.01)
            return False
        ledger.fresh += status == 202
        async with self._answered:
            ledger.accepted[number] = answer["id"]
            self._answered.notify_all()
        return True
