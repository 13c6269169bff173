"""A file target."""

import json
from collections.abc import Mapping, Sequence

from tests.contract.targets.case import Case, Options


class FileCase(Case):
    key = "file"
    module = "file"
    is_local = True
    changes = ({"file": "out/other.jsonl"}, {"retry": {"schedule": ["7s"]}})

    async def start(self) -> None:
        self._path = self.folder / "out" / "inbox.jsonl"
        (self.folder / "plain").write_text("")

    def options(self) -> Options:
        return {"file": "out/inbox.jsonl"}

    def broken(self) -> Mapping[str, Options]:
        return {"a folder": {"file": "."}, "below a file": {"file": "plain/inbox.jsonl"}}

    async def fail(self) -> None:
        self._path.mkdir(parents=True)

    async def mend(self) -> None:
        self._path.rmdir()

    async def arrived(self) -> Sequence[int]:
        if not self._path.is_file():
            return []
        lines = self._path.read_text("utf-8").splitlines()
        return [json.loads(json.loads(line)["body"])["n"] for line in lines]
