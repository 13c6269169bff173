"""`make soak`: the real relay under load while it is killed, stopped, frozen, its target broken.

    python -m tests.faults.soak [--kills N] [--terms N] [--freezes N] [--outages N] [--seed N]
        [--json]

Senders post numbered events to a route with four forwards: a target that is fine, one that has
outages, one in order of keys, and a file. At random instants the relay is ended and started again.
Then every event is accounted for at every target. Two relays in turn: one for kills, freezes and
outages; one for SIGTERMs alone, over which nothing may be delivered twice and no attempt be wasted.
Exits 1 if a promise is broken; the instants are the seed's.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2

from tests.faults.ledger import Ledger, Seen, disordered, wasted
from tests.faults.load import KEYS, SENDERS, CountingTarget, Load, Mood
from tests.support.client import Client
from tests.support.process import RelayProcess
from tests.support.site import Site
from tests.support.waiting import until

BETWEEN = 300  # answers between two faults at most
DRAIN = 120.0  # seconds in which everything must have been delivered after the last fault
FROZEN = (0.05, 0.5)  # seconds
BROKEN = (0.05, 0.4)


@dataclass(frozen=True, slots=True)
class Course:
    """How many of each fault; they come in random order."""

    kills: int = 0
    terms: int = 0
    freezes: int = 0
    outages: int = 0

    def shuffled(self, chance: random.Random) -> list[str]:
        """Return the faults in the order in which they come."""
        faults = (
            ["kill"] * self.kills
            + ["term"] * self.terms
            + ["freeze"] * self.freezes
            + ["outage"] * self.outages
        )
        chance.shuffle(faults)
        return faults


@dataclass(slots=True)
class Account:
    """The account of one run."""

    course: Course
    ledger: Ledger
    seen: dict[str, list[Seen]]
    lines: list[Seen]
    recorded: dict[str, dict[int, int]]
    integrity: str
    seconds: float
    told: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        ledger, everywhere = self.ledger, {**self.seen, "log": self.lines}
        doubled = ledger.doubled(self.seen)
        in_file = Counter(one.number for one in self.lines)
        waste = {
            target: wasted(counts, everywhere[target]) for target, counts in self.recorded.items()
        }
        self.told = {
            "posted": len(ledger.posted),
            "accepted": len(ledger.accepted),
            "found to be duplicates": len(ledger.accepted) - ledger.fresh,
            "requests without an answer": ledger.broken,
            "deliveries": {
                target: sum(one.delivered for one in got) for target, got in everywhere.items()
            },
            "failed attempts": {
                t: sum(not one.delivered for one in got) for t, got in self.seen.items()
            },
            "delivered twice, by cause": dict(
                Counter(one.cause or "UNEXPLAINED" for one in doubled)
            ),
            "twice in the file": in_file.total() - len(in_file),
            "LOST": len(ledger.lost(everywhere)),
            "never posted": len(ledger.foreign(everywhere)),
            "under two ids": len(ledger.misnamed(everywhere)),
            "out of order": len(disordered(self.seen["order"], KEYS)),
            "attempts wasted": sum(len(found) for found in waste.values()),
            "integrity of the file": self.integrity,
            "seconds": round(self.seconds, 1),
            "accepted a second": round(len(ledger.accepted) / self.seconds),
            "seed": ledger.seed,
        }

    def broken(self) -> Iterator[str]:
        """Give each promise that was broken."""
        told = self.told
        for name in ("LOST", "never posted", "under two ids", "out of order"):
            if told[name]:
                yield f"{name}: {told[name]}"
        if "UNEXPLAINED" in told["delivered twice, by cause"]:
            yield "delivered twice without a cause"
        if told["integrity of the file"] != "ok":
            yield told["integrity of the file"]
        if self.ledger.accepted.keys() != self.ledger.posted:
            yield "not everything that was posted was accepted in the end"
        if not self.course.kills and not self.course.freezes and not self.course.outages:
            if told["delivered twice, by cause"] or told["twice in the file"]:
                yield "delivered twice over orderly stops"
            if told["attempts wasted"]:
                yield f"attempts wasted over orderly stops: {told['attempts wasted']}"


class Run:
    """One relay's course, from its first start to its last end."""

    def __init__(self, site: Site, course: Course, seed: int) -> None:
        self._site = site
        self._course = course
        self._chance = random.Random(seed)
        self._ledger = Ledger(seed)
        self._load = Load(self._ledger)
        self._targets = {name: CountingTarget() for name in ("fine", "flaky", "order")}

    async def account(self) -> Account:
        """Go through the course, let everything be delivered, and return the account."""
        began = time.monotonic()
        for target in self._targets.values():
            await target.start()
        self._configure()
        async with self._running() as last, self._client(last) as client:
            await client.until_drained(DRAIN)
            recorded = await client.recorded(self._ledger.accepted) if self._course.terms else {}
            assert await client.dead() == []
            assert await last.terminate() == 0, last.log
        for target in self._targets.values():
            await target.close()
        seen = {name: target.seen for name, target in self._targets.items()}
        return Account(
            self._course,
            self._ledger,
            seen,
            self._lines(),
            recorded,
            _integrity(self._site.var / "relay.db"),
            time.monotonic() - began,
        )

    def _configure(self) -> None:
        often = {
            "retry": {"schedule": ["50ms"] * 900},
            "breaker": {"cool_off": "50ms", "max_cool_off": "200ms"},
        }
        urls = {name: {"url": target.url, **often} for name, target in self._targets.items()}
        self._site.configure(
            {**urls, "log": {"file": "../var/log.jsonl"}}, limits={"shutdown": "10s"}
        )
        forwards = [
            {"to": "fine"},
            {"to": "flaky"},
            {"to": "log"},
            {"to": "order", "ordered": True},
        ]
        self._site.route(
            "in", {"event": {"id": "string(body.n)", "key": "string(body.k)"}, "forward": forwards}
        )

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[RelayProcess]:
        """Run the course under load; give the relay that runs after its last fault."""
        relay = await RelayProcess.start(self._site)
        try:
            self._load.aim(relay)
            async with asyncio.TaskGroup() as senders:
                for _ in range(SENDERS):
                    senders.create_task(self._load.send())
                for fault in self._course.shuffled(self._chance):
                    await self._load.wait_for(self._chance.randrange(1, BETWEEN))
                    await asyncio.sleep(
                        self._chance.random() * 0.02
                    )  # the fault itself: an instant
                    relay = await self._inflict(fault, relay)
                await self._load.wait_for(50)
                self._load.end()
            yield relay
        finally:
            await relay.kill()

    async def _inflict(self, fault: str, relay: RelayProcess) -> RelayProcess:
        began = time.monotonic()
        match fault:
            case "kill":
                self._load.rest()
                await relay.kill()
                relay = await self._again()
            case "term":
                assert await relay.terminate() == 0, relay.log
                self._load.rest()
                return await self._again()
            case "freeze":
                relay.send(signal.SIGSTOP)
                await asyncio.sleep(self._chance.uniform(*FROZEN))
                relay.send(signal.SIGCONT)
            case _:
                self._targets["flaky"].mood = self._chance.choice([Mood.FAILING, Mood.RESETTING])
                await asyncio.sleep(self._chance.uniform(*BROKEN))
                self._targets["flaky"].mood = Mood.FINE
        self._ledger.causes.append((began, time.monotonic(), fault))
        return relay

    async def _again(self) -> RelayProcess:
        relay = await RelayProcess.start(self._site)
        self._load.aim(relay)
        return relay

    def _lines(self) -> list[Seen]:
        lines = map(json.loads, (self._site.var / "log.jsonl").read_text().splitlines())
        return [
            Seen(json.loads(line["body"])["n"], line["id"], line["attempt"], 0.0, delivered=True)
            for line in lines
        ]

    @asynccontextmanager
    async def _client(self, relay: RelayProcess) -> AsyncIterator["_Asker"]:
        asker = _Asker(relay.public, relay.admin)
        try:
            yield asker
        finally:
            await asker.close()


class _Asker(Client):
    """Asks the last relay for what became of everything."""

    async def until_drained(self, deadline: float) -> None:
        async def drained() -> bool:
            return not any(
                value
                for (name, _), value in (await self.series()).items()
                if name == "relay_pending_deliveries"
            )

        await until(drained, "everything to be delivered", deadline)

    async def recorded(self, accepted: dict[int, str]) -> dict[str, dict[int, int]]:
        """Return how many attempts the relay recorded of each number, by target."""
        numbers = {event_id: number for number, event_id in accepted.items()}
        found: dict[str, dict[int, int]] = {}
        before = ""
        while page := (await self.api(f"events?limit=1000&before={before}"))["events"]:
            for event in page:
                for one in event["deliveries"]:
                    found.setdefault(one["target"], {})[numbers[event["id"]]] = one["attempts"]
            before = page[-1]["id"]
        return found


def _integrity(path: Path) -> str:
    connection = dbapi2.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return "; ".join(text for (text,) in connection.execute("PRAGMA integrity_check"))
    finally:
        connection.close()


async def soak(folder: Path, courses: list[Course], seed: int) -> list[Account]:
    """Run each course on a relay of its own."""
    return [
        await Run(Site(folder / f"run-{n}"), course, seed + n).account()
        for n, course in enumerate(courses)
    ]


def _print(account: Account) -> None:
    done = account.course
    print(
        f"\n{done.kills} kills, {done.terms} SIGTERMs, "
        f"{done.freezes} freezes, {done.outages} outages"
    )
    for name, value in account.told.items():
        print(f"  {name:28} {json.dumps(value) if isinstance(value, dict) else value}")


def main() -> int:
    """Run, print the accounts, return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name, count in (("kills", 200), ("terms", 20), ("freezes", 20), ("outages", 20)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    courses = [Course(asked.kills, 0, asked.freezes, asked.outages), Course(terms=asked.terms)]
    with tempfile.TemporaryDirectory() as folder:
        accounts = asyncio.run(soak(Path(folder), courses, asked.seed))
    broken = [said for account in accounts for said in account.broken()]
    if asked.json:
        print(
            json.dumps(
                {"accounts": [account.told for account in accounts], "broken": broken}, indent=1
            )
        )
    else:
        for account in accounts:
            _print(account)
        print("\n" + ("BROKEN: " + "; ".join(broken) if broken else "every promise held"))
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
