"""An Atom feed target."""

import json
from collections.abc import Mapping, Sequence

from relay.targets.atom import ATOM, read_feed
from tests.contract.targets.case import Case, Options


class FeedCase(Case):
    key = "feed"
    module = "feed"
    is_local = True
    changes = (
        {"feed": "out/other.atom"},
        {"title": "Other"},
        {"id": "urn:example:other"},
        {"entries": 7},
        {"link": "https://example.org/"},
        {"retry": {"schedule": ["7s"]}},
    )
    refused = b'{"n": 1}'

    async def start(self) -> None:
        self._path = self.folder / "out" / "news.atom"
        (self.folder / "plain").write_text("")

    def options(self) -> Options:
        return {"feed": "out/news.atom", "title": "News", "entries": 1000}

    def broken(self) -> Mapping[str, Options]:
        return {
            "a folder": {"feed": ".", "title": "News"},
            "below a file": {"feed": "plain/news.atom", "title": "News"},
        }

    async def fail(self) -> None:
        self._path.mkdir(parents=True)

    async def mend(self) -> None:
        self._path.rmdir()

    def body(self, n: int) -> bytes:
        return json.dumps({"title": str(n), "id": f"urn:example:{n}"}).encode()

    async def arrived(self) -> Sequence[int]:
        if not self._path.is_file():
            return []
        entries = read_feed(self._path.read_bytes())
        return [int(entry.findtext(f"{{{ATOM}}}title") or "") for entry in entries]
