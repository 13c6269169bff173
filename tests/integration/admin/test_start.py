"""A relay that can't start leaves nothing behind: no listener, no lock, no task."""

import asyncio
import socket

import pytest

from relay.app import Relay
from relay.config import load
from relay.fields.secret import SecretsMode
from tests.support.running import StartRelay
from tests.support.site import Site


async def test_start_that_fails_undoes_itself(site: Site, start_relay: StartRelay) -> None:
    """With the admin port taken: the public one is free again, and so is the store."""
    site.configure({"log": {"file": "../var/log.jsonl"}})
    site.route("in", {"forward": [{"to": "log"}]})
    tasks = asyncio.all_tasks()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        site.configure({"log": {"file": "../var/log.jsonl"}}, admin={"listen": address})
        failing = Relay(load(site.config, SecretsMode.CREATE))
        with pytest.raises(OSError, match="address already in use"):
            await failing.start()
    assert asyncio.all_tasks() == tasks
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", failing.public_port)
    site.configure({"log": {"file": "../var/log.jsonl"}})
    relay = await start_relay(site)
    await relay.accepted("in", {"n": 1})
