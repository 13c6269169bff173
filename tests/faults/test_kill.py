"""The relay as a process under load, ended at random instants: then every event is accounted for."""

import asyncio
import itertools
import json
import random
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

from tests.support.client import Client
from tests.support.process import RelayProcess, StartProcess, run
from tests.support.site import Site
from tests.support.target import Received, Target
from tests.support.waiting import until

SENDERS = 8
KILLS = 5
BETWEEN = 400  # answers between two ends at most


@dataclass(slots=True)
class Ledger:
    """What was posted, what was answered 2xx, and what the target got, by the sender's number."""

    posted: set[int] = field(default_factory=set)
    accepted: dict[int, str] = field(default_factory=dict)
    fresh: int = 0
    broken: int = 0
    seed: int = field(default_factory=lambda: random.randrange(1 << 32))

    def check(self, received: list[Received]) -> Counter[int]:
        """Nothing accepted is missing, nothing came that was not posted, and each event has one id."""
        delivered = Counter(json.loads(request.body)["n"] for request in received)
        ids = {(json.loads(request.body)["n"], request.id) for request in received}
        told = (
            f"posted {len(self.posted)}, accepted {len(self.accepted)} ({self.fresh} by 202, the others found "
            f"to be duplicates), requests without an answer {self.broken}; delivered {len(delivered)} events "
            f"in {delivered.total()} requests; the instants are those of seed {self.seed}"
        )
        lost = sorted(self.accepted.keys() - delivered.keys())
        assert not lost, f"accepted but never delivered: {lost}; {told}"
        foreign = sorted(delivered.keys() - self.posted)
        assert not foreign, f"delivered but never posted: {foreign}; {told}"
        wrong = sorted(n for n, event_id in ids if self.accepted.get(n, event_id) != event_id)
        assert not wrong, f"delivered under another id than was answered: {wrong}; {told}"
        assert len(ids) == len(delivered), f"one event went out under two ids; {told}"
        return delivered


class Load:
    """Senders that post numbers, and post again, with the same id, what was not answered 2xx."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.url = ""
        self._numbers = itertools.count()
        self._up = asyncio.Event()
        self._ending = False
        self._answered = asyncio.Condition()

    def aim(self, relay: RelayProcess) -> None:
        """Post to this relay from now on."""
        self.url = f"{relay.public}/in/in"
        self._up.set()

    def rest(self) -> None:
        """Wait for the next `aim`; what is on its way stays so."""
        self._up.clear()

    def end(self) -> None:
        """Start no new number."""
        self._ending = True

    async def wait_for(self, count: int) -> None:
        """Return once so many events more have been accepted."""
        aim = len(self.ledger.accepted) + count
        async with asyncio.timeout(30), self._answered:
            await self._answered.wait_for(lambda: len(self.ledger.accepted) >= aim)

    async def send(self) -> None:
        """Be one sender."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            while not self._ending:
                number = next(self._numbers)
                while not await self._post(session, number):
                    pass

    async def _post(self, session: aiohttp.ClientSession, number: int) -> bool:
        await self._up.wait()
        ledger = self.ledger
        ledger.posted.add(number)
        try:
            async with session.post(self.url, json={"n": number}) as response:
                status, answer = response.status, await response.json(content_type=None)
        except (aiohttp.ClientError, OSError):
            ledger.broken += 1
            await asyncio.sleep(0.01)  # until the test notices that it is gone
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


def _write(site: Site, target: Target) -> None:
    site.configure(
        {"hook": {"url": target.url, "retry": {"schedule": ["50ms"] * 20}}}, limits={"shutdown": "10s"}
    )
    site.route("in", {"event": {"id": "string(body.n)"}, "forward": [{"to": "hook"}]})


async def _settled(relay: RelayProcess) -> None:
    client = Client(relay.public, relay.admin)
    try:
        await client.until_value(0, "relay_pending_deliveries", target="hook")
        assert await client.dead() == []
    finally:
        await client.close()


async def _under_load(site: Site, start: StartProcess, *, kills: bool) -> Ledger:
    """End the relay several times while senders post, then let the last one finish."""
    load = Load()
    relay = await start(site)
    load.aim(relay)
    chance = random.Random(load.ledger.seed)
    async with asyncio.TaskGroup() as senders:
        for _ in range(SENDERS):
            senders.create_task(load.send())
        for _ in range(KILLS if kills else 2):
            await load.wait_for(chance.randrange(1, BETWEEN))
            await asyncio.sleep(chance.random() * 0.02)  # the fault itself: an instant, not a wait
            if kills:
                load.rest()
                await relay.kill()
            else:
                assert await relay.terminate() == 0, relay.log
                load.rest()
            relay = await start(site)
            load.aim(relay)
        await load.wait_for(50)
        load.end()
    await _settled(relay)
    return load.ledger


async def test_kill_9_at_any_instant_loses_nothing_that_was_accepted(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """After five kills under load: accepted is delivered at least once, one id an event, nothing invented."""
    _write(site, target)
    ledger = await _under_load(site, start_process, kills=True)
    delivered = ledger.check(target.requests)
    assert ledger.accepted.keys() == ledger.posted == delivered.keys()


async def test_sigterm_loses_nothing_and_repeats_nothing(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """Two orderly stops under load: exit code 0, and every event is delivered exactly once."""
    _write(site, target)
    ledger = await _under_load(site, start_process, kills=False)
    delivered = ledger.check(target.requests)
    assert ledger.accepted.keys() == ledger.posted == delivered.keys()
    assert {number: count for number, count in delivered.items() if count != 1} == {}


async def test_an_event_killed_between_delivery_and_record_comes_again_with_the_same_id(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """A target that got the request before the kill gets it once more, the same in id, body and attempt."""
    _write(site, target)
    target.open.clear()
    relay = await start_process(site)
    client = Client(relay.public, relay.admin)
    event_id = await client.accepted("in", {"n": 1})
    await client.close()
    await target.wait_for(1)
    await relay.kill()
    target.open.set()
    await _settled(await start_process(site))
    first, second = target.requests
    assert first.id == second.id == event_id
    assert first.body == second.body
    assert (first.headers["relay-attempt"], second.headers["relay-attempt"]) == ("1", "1")


async def test_a_retry_survives_a_kill(
    site: Site, start_process: StartProcess, target: Target, refused_url: str
) -> None:
    """What failed before the kill is tried again after it, as the next attempt."""
    site.configure({"hook": {"url": refused_url, "retry": {"schedule": ["300ms"] * 50}}})
    site.route("in", {"forward": [{"to": "hook"}]})
    relay = await start_process(site)
    client = Client(relay.public, relay.admin)
    event_id = await client.accepted("in", {"n": 1})
    labels = {"target": "hook", "outcome": "retry", "reason": "connection"}

    async def tried() -> bool:
        return await client.value("relay_attempts_total", **labels) >= 1

    await until(tried, "a failed attempt")
    await client.close()
    await relay.kill()
    site.configure({"hook": {"url": target.url, "retry": {"schedule": ["300ms"] * 50}}})
    await _settled(await start_process(site))
    (got,) = target.requests
    assert got.id == event_id
    assert int(got.headers["relay-attempt"]) >= 2


async def test_a_second_relay_on_the_same_file_is_refused(
    site: Site, start_process: StartProcess, target: Target
) -> None:
    """Exit code 1 and a message that names the file and the remedy; the first goes on undisturbed."""
    _write(site, target)
    relay = await start_process(site)
    second = await run("run", "--config", str(site.config), cwd=site.root)
    assert (second.code, second.out) == (1, "")
    assert f"{site.var / 'relay.db'} is in use by another relay" in second.err
    assert "Traceback" not in second.err
    client = Client(relay.public, relay.admin)
    await client.accepted("in", {"n": 1})
    await client.close()
    await target.wait_for(1)
    await relay.kill()
    assert await (await start_process(site)).terminate() == 0  # the lock went with its holder
