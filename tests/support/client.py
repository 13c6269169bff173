"""A test's requests to both listeners of a relay, which runs inside the test or as a process."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.support.waiting import DEADLINE, until

JSON = {"content-type": "application/json"}
_ENDED = {"delivered", "dead", "dropped"}
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: lower-case header names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Client:
    """Asks one relay; `public` and `admin` are base URLs."""

    def __init__(self, public: str, admin: str) -> None:
        self.public = public
        self.admin = admin
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=200), timeout=aiohttp.ClientTimeout(total=DEADLINE)
        )

    async def close(self) -> None:
        """Close the connections."""
        await self.session.close()

    async def request(
        self, method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask for any URL."""
        async with self.session.request(
            method, url, data=body, headers=headers, allow_redirects=False
        ) as response:
            return Answer(
                response.status,
                {name.lower(): value for name, value in response.headers.items()},
                await response.read(),
            )

    async def post(self, route: str, body: Any, headers: Mapping[str, str] | None = None) -> Answer:
        """Post bytes, or anything else as JSON, to `/in/<route>`."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.request(
            "POST", f"{self.public}/in/{route}", data, {**JSON, **(headers or {})}
        )

    async def accepted(
        self, route: str, body: Any, headers: Mapping[str, str] | None = None
    ) -> str:
        """Post what must be accepted, and return the event's id."""
        answer = await self.post(route, body, headers)
        assert answer.status == 202, answer
        return str(answer.json["id"])

    async def raw(self, data: bytes, *, ends: bool = False) -> Answer:
        """Send these very bytes on a connection of their own, and read one answer.

        If `ends`, half-close the connection after them.
        """
        host, _, port = self.public.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            async with asyncio.timeout(DEADLINE):
                writer.write(data)
                if ends:
                    writer.write_eof()
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head[1:])
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
        finally:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        return Answer(int(head[0].split(" ")[1]), headers, body)

    # --- the admin listener -----------------------------------------------------------------------

    async def api(self, path: str) -> Any:
        """Return the JSON answer of the admin API."""
        answer = await self.request("GET", f"{self.admin}/api/{path}")
        assert answer.status == 200, answer
        return answer.json

    async def events(self) -> list[dict[str, Any]]:
        """Return all stored events (as many as one answer lists), the newest first."""
        found: list[dict[str, Any]] = (await self.api("events?limit=1000"))["events"]
        return found

    async def dead(self) -> list[dict[str, Any]]:
        """Return all dead letters."""
        found: list[dict[str, Any]] = (await self.api("dead?limit=1000"))["dead"]
        return found

    async def event(self, event_id: str) -> dict[str, Any]:
        """Return what became of one event."""
        found: dict[str, Any] = (await self.api(f"events/{event_id}"))["events"][0]
        return found

    async def fate(self, event_id: str, target: str) -> dict[str, Any]:
        """Return the delivery of an event to a target once it has ended."""

        async def ended() -> dict[str, Any] | None:
            deliveries = (await self.event(event_id))["deliveries"]
            one: dict[str, Any] = next(one for one in deliveries if one["target"] == target)
            return one if one["state"] in _ENDED else None

        found = await until(ended, f"the delivery of {event_id} to {target} to end")
        assert found is not None
        return found

    async def replay(self, event_id: str, target: str = "") -> Any:
        """Replay an event."""
        body = json.dumps({"id": event_id, "target": target}).encode()
        answer = await self.request("POST", f"{self.admin}/api/replay", body, JSON)
        assert answer.status == 200, answer
        return answer.json

    async def series(self) -> Series:
        """Return every series of /metrics with its value."""
        text = (await self.request("GET", f"{self.admin}/metrics")).body.decode()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def value(self, name: str, **labels: str) -> float:
        """Return the value of one series, which must exist."""
        return (await self.series())[name, frozenset(labels.items())]

    async def until_value(self, wanted: float, name: str, **labels: str) -> None:
        """Wait until a series has a value."""

        async def same() -> bool:
            return await self.value(name, **labels) == wanted

        await until(same, f"{name}{labels} to be {wanted}")
