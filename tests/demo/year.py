"""`make demo`: the first year of both programmes, through a real relay to sixteen local servers.

One place's server is down while everything is posted, and comes back. The demo ends with 0 only if
every delivery is accounted for; it leaves the reviews of both programmes in its folder.
"""

import argparse
import asyncio
import json
import shutil
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.demo.hub import PLACES, ROUTE, Sender, place_of, prepare, year
from tests.demo.place import PlaceServer, start_all
from tests.support.client import Client
from tests.support.process import RELAY, RelayProcess
from tests.support.site import REPOSITORY, Site
from tests.support.waiting import until

PROGRAMMES = ("south-central-coast", "north-and-north-central")
_REVIEW = REPOSITORY / "routes" / ROUTE / "review.py"
_FOLDER = REPOSITORY / "var" / "demo"
_ATOM = "{http://www.w3.org/2005/Atom}"
_MOST = 100.0  # seconds for the whole of it
_REPEATED = 5  # events that are posted a second time


class NotAccountedFor(Exception):
    """Something is missing, out of order, or not what it should be."""


@dataclass(slots=True)
class Posted:
    """One accepted event: its id, its key, and the targets that it owes."""

    id: str
    key: str
    owed: dict[str, str] = field(default_factory=dict)  # target: state


async def demo(folder: Path, down: str) -> None:
    """Run it; raise NotAccountedFor with what is wrong."""
    site = Site(folder)
    servers = await start_all(list(PLACES))
    prepare(site, servers)
    await servers[down].down()
    say(f"sixteen servers on loopback, {down} is down")
    relay = await RelayProcess.start(site)
    client = Client(relay.public, relay.admin)
    try:
        say(f"a relay at {relay.public}, its metrics at {relay.admin}/metrics")
        events = await post(Sender(site, client), client)
        await meanwhile(client, events, down)
        await servers[down].up()
        say(f"{down} is back")
        await settled(client)
        await account(client, events, servers, folder)
        await review(relay, folder, len(events))
    finally:
        await client.close()
        await relay.terminate()
        await asyncio.gather(*(server.down() for server in servers.values()))


async def post(sender: Sender, client: Client) -> list[Posted]:
    """Post the year, and some of it twice; return what was accepted, in order."""
    told = year()
    events = []
    for place, body in told:
        answer = await sender.post(place, json.dumps(body, ensure_ascii=False).encode())
        if answer.status != 202:
            raise NotAccountedFor(
                f"{body['id']} was answered {answer.status}: {answer.body.decode()}"
            )
        events.append(Posted(answer.json["id"], ""))
    for place, body in told[:_REPEATED]:
        answer = await sender.post(place, json.dumps(body, ensure_ascii=False).encode())
        if answer.status != 200 or not answer.json["duplicate"]:
            raise NotAccountedFor(f"{body['id']}, posted again, was answered {answer.status}")
    for event in events:
        record = await client.event(event.id)
        event.key = record["key"]
        event.owed = {delivery["target"]: delivery["state"] for delivery in record["deliveries"]}
    owed, senders = sum(len(event.owed) for event in events), {place for place, _ in told}
    say(f"{len(events)} events of {len(senders)} senders accepted, {owed} deliveries owed")
    say(f"{_REPEATED} of them posted again: taken as duplicates")
    return events


async def meanwhile(client: Client, events: list[Posted], down: str) -> None:
    """Wait until all but the place that is down has everything."""
    waiting: dict[str, int] = defaultdict(int)
    for event in events:
        for target in event.owed:
            waiting[target] += place_of(target)[0] == down

    async def others_done() -> bool:
        return await pending(client) == {
            target: count for target, count in waiting.items() if count
        }

    await until(others_done, f"everything but what waits for {down}", _MOST)
    say(f"all others have everything; {sum(waiting.values())} deliveries wait for {down}")


async def pending(client: Client) -> dict[str, int]:
    """Return how many deliveries wait for each target that anything waits for."""
    return {
        dict(labels)["target"]: int(value)
        for (name, labels), value in (await client.series()).items()
        if name == "relay_pending_deliveries" and value
    }


async def settled(client: Client) -> None:
    """Wait until nothing is pending."""

    async def nothing() -> bool:
        return not await pending(client)

    await until(nothing, "the last delivery", _MOST)


async def account(
    client: Client, events: list[Posted], servers: dict[str, PlaceServer], folder: Path
) -> None:
    """Hold what the relay says of each delivery against what the servers got."""
    for event in events:
        found = await client.event(event.id)
        event.owed = {one["target"]: one["state"] for one in found["deliveries"]}
    faults = list(unaccounted(events, servers, folder))
    if faults:
        raise NotAccountedFor("\n".join(faults))
    delivered = sum(len(event.owed) for event in events)
    say(f"{delivered} of {delivered} deliveries are accounted for, in order for each item")


def unaccounted(
    events: list[Posted], servers: dict[str, PlaceServer], folder: Path
) -> Iterator[str]:
    """Tell each delivery that did not end delivered, did not arrive, or arrived out of order."""
    owed: dict[str, list[Posted]] = defaultdict(list)
    for event in events:
        for target, state in event.owed.items():
            owed[target].append(event)
            if state != "delivered":
                yield f"{event.id} for {target} is {state}"
    for target, due in owed.items():
        place, path = place_of(target)
        if not place:
            entries = ET.parse(folder / "news.atom").getroot().findall(f"{_ATOM}entry")
            if len(entries) != len(due):
                yield f"{target} has {len(entries)} entries, {len(due)} are owed"
            continue
        # At least once: what came again counts where it came first.
        came = list(dict.fromkeys(one.event for one in servers[place].took(path)))
        if set(came) != {event.id for event in due}:
            yield f"{target} got {len(came)} events, {len(due)} are owed"
        for key in {event.key for event in due}:
            wanted = [event.id for event in due if event.key == key]
            if [one for one in came if one in wanted] != wanted:
                yield f"{target} got the events of {key} out of order"


async def review(relay: RelayProcess, folder: Path, count: int) -> None:
    """Export the events, and review both programmes."""
    export = folder / "events.jsonl"
    await run(
        str(RELAY), "export", "--route", ROUTE, "--url", relay.admin, "-o", str(export), cwd=folder
    )
    lines = export.read_text().splitlines()
    if len(lines) != count:
        raise NotAccountedFor(f"{len(lines)} events were exported, {count} were accepted")
    say(f"{len(lines)} events exported to {shown(export)}")
    for programme in PROGRAMMES:
        page = folder / f"review-{programme}"
        for language, name in (("vi", f"{page}.html"), ("en", f"{page}.en.html")):
            await run(
                sys.executable, str(_REVIEW), str(export), "--programme", programme, "--language",
                language,
                "--html", name, "--json", f"{page}.json", cwd=folder,
            )  # fmt: skip
        found = read_json(folder / f"{page.name}.json")
        items = ", ".join(
            f"{scope} {tally['carried_out']} of {tally['planned']}"
            for scope, tally in found["items"].items()
        )
        say(f"{programme}: {items}; {len(found['agreements'])} agreement; {shown(page)}.html")


def read_json(path: Path) -> dict[str, Any]:
    """Return a file's JSON."""
    found: dict[str, Any] = json.loads(path.read_text())
    return found


async def run(*command: str, cwd: Path) -> None:
    """Run a command; raise NotAccountedFor with what it said if it failed."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise NotAccountedFor(f"{Path(command[0]).name} {command[1]}: {out.decode()}")


def shown(path: Path) -> str:
    """Return a path as a reader in the repository writes it."""
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else str(path)


def say(text: str) -> None:
    """Tell what has come about."""
    print(f"  {text}", flush=True)


def main() -> int:
    """Run the demo in its folder, which is made anew."""
    parser = argparse.ArgumentParser(
        description="The first year of both programmes, through a real relay."
    )
    parser.add_argument(
        "--folder", type=Path, help="a folder to be made (default: var/demo, made anew)"
    )
    parser.add_argument(
        "--down", choices=PLACES, default="khanh-hoa", help="whose server is down for a while"
    )
    asked = parser.parse_args()
    folder = (asked.folder or _FOLDER).resolve()
    if asked.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.exists():
        parser.error(f"{folder} is there already; name one that is not")
    folder.parent.mkdir(parents=True, exist_ok=True)

    async def bounded() -> None:
        async with asyncio.timeout(_MOST):
            await demo(folder, asked.down)

    try:
        asyncio.run(bounded())
    except (NotAccountedFor, AssertionError, TimeoutError) as error:
        print(f"not accounted for: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    print("every delivery is accounted for")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
