"""The hub's relay with the shipped route, its sixteen senders and their sixteen servers.

The senders sign as the catalogue says.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from tests.demo.place import PlaceServer
from tests.support.client import Answer, Client
from tests.support.site import REPOSITORY, Site

ROUTE = "cooperation"
HUB = "ho-chi-minh-city"
PLACES = (
    HUB, "quang-ngai", "binh-dinh", "phu-yen", "khanh-hoa", "ninh-thuan", "binh-thuan", "nghe-an",
    "thanh-hoa",
    "ha-tinh", "quang-tri", "quang-binh", "thua-thien-hue", "ha-nam", "cao-bang", "bac-kan",
)  # fmt: skip
DEPARTMENTS = (
    "planning-and-investment", "industry-and-trade", "tourism", "agriculture",
    "science-and-technology",
    "culture", "health", "education-and-training", "information-and-communications",
)  # fmt: skip
# Quick, so that a place that comes back need not be waited for; patient, so that nothing dies
# meanwhile.
_RETRY = {"exponential": {"initial": "100ms", "factor": 2, "max": "1s", "attempts": 1000}}
_BREAKER = {"failures": 5, "cool_off": "200ms", "max_cool_off": "500ms"}


def prepare(site: Site, servers: Mapping[str, PlaceServer]) -> None:
    """Write the configuration of a relay whose targets are these servers, and the shipped route."""

    def http(place: str, path: str) -> dict[str, Any]:
        return {"url": servers[place].url(path), "retry": _RETRY, "breaker": _BREAKER}

    targets = {
        **{f"partner-{place}": http(place, "partner") for place in PLACES},
        **{f"platform-{place}": http(place, "platform") for place in PLACES},
        **{f"department-{name}": http(HUB, name) for name in DEPARTMENTS},
        "focal-point": http(HUB, "focal-point"),
        "investment-promotion": http(HUB, "investment-promotion"),
        "public-news": {"feed": "../news.atom", "title": "Tin hợp tác", "entries": 1000},
    }
    site.configure(targets)
    site.shipped_route(ROUTE)


def place_of(target: str) -> tuple[str, str]:
    """Return the place whose server a target is, and the path there; ('', '') for the feed."""
    kind, _, rest = target.partition("-")
    if kind in {"partner", "platform"}:
        return rest, kind
    if target == "public-news":
        return "", ""
    return HUB, target.removeprefix("department-")


def year() -> list[tuple[str, dict[str, Any]]]:
    """Return the first year of both programmes: sender and body of each sample that is taken."""
    samples = [
        json.loads(path.read_text())
        for path in sorted((REPOSITORY / "routes" / ROUTE / "samples").glob("*.json"))
        if not path.name.startswith("refused-")
    ]
    return [(sample["sender"], sample["body"]) for sample in samples]


class Sender:
    """Posts as a place does: signed with the secret of `secret_of`, over HTTP."""

    def __init__(self, site: Site, client: Client) -> None:
        self._site = site
        self._client = client

    async def post(self, place: str, body: bytes, secret_of: str = "") -> Answer:
        """Post a body to a place's URL; `secret_of` is another place whose secret is used."""
        headers = signed(self._site.secret(f"{ROUTE}-{secret_of or place}"), body)
        return await self._client.post(f"{ROUTE}/{place}", body, headers)


def signed(secret: str, body: bytes) -> dict[str, str]:
    """Return the headers that prove who sends a body now."""
    timestamp = str(int(time.time()))
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"x-timestamp": timestamp, "x-signature": f"sha256={digest}"}
