"""A URL target, with a server on loopback at the other side."""

import base64
import json
import socket
from collections.abc import Mapping, Sequence
from typing import ClassVar

from tests.contract.targets.case import Case, Options
from tests.support.target import Reply, Target


class HttpCase(Case):
    key = "url"
    module = "http"
    secrets: ClassVar[Mapping[str, str]] = {
        "RELAY_TEST_SIGNING": "whsec_" + base64.b64encode(b"sign" * 8).decode(),
        "RELAY_TEST_BEARER": "bearer-hunter2",
    }
    changes = (
        {"url": "http://127.0.0.1:1/other"},
        {"method": "PUT"},
        {"timeout": {"total": "3s"}},
        {"concurrency": 7},
        {"partitions": 3},
        {"rate": "7/s"},
        {"retry": {"schedule": ["7s"]}},
        {"breaker": {"failures": 7}},
        {"sign": None},
        {"auth": None},
        {"headers": {"x-origin": "elsewhere"}},
        {"give_up_on": [422]},
    )
    has_statuses = True

    async def start(self) -> None:
        self._server = Target()
        await self._server.start()
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self._refused_port = listener.getsockname()[1]

    async def stop(self) -> None:
        await self._server.close()

    def options(self) -> Options:
        return {
            "url": self._server.url,
            "sign": {"secrets": ["env:RELAY_TEST_SIGNING"]},
            "auth": {"bearer": "env:RELAY_TEST_BEARER"},
            "headers": {"x-origin": "relay"},
        }

    def broken(self) -> Mapping[str, Options]:
        options = self.options()
        return {
            "connection refused": {**options, "url": f"http://127.0.0.1:{self._refused_port}/"},
            "no TLS": {**options, "url": self._server.url.replace("http://", "https://")},
            "no route": {**options, "url": "http://127.0.0.1:0/"},
        }

    async def fail(self) -> None:
        self._server.otherwise = Reply(
            500, body=f"got {self.secrets['RELAY_TEST_BEARER']}".encode()
        )

    async def mend(self) -> None:
        self._server.otherwise = Reply()

    async def arrived(self) -> Sequence[int]:
        return [json.loads(request.body)["n"] for request in self._server.requests]

    async def answer(self, status: int, headers: Mapping[str, str]) -> None:
        self._server.script.append(Reply(status, headers))
