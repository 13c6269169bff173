"""A whole relay inside the test's own loop, with both listeners on loopback."""

from typing import Protocol

from relay.app import Bounds, Relay
from relay.config import SecretsMode, load
from tests.support.client import Client
from tests.support.site import Site


class Running(Client):
    """A started relay and a client of it."""

    def __init__(self, relay: Relay) -> None:
        super().__init__(
            f"http://127.0.0.1:{relay.public_port}", f"http://127.0.0.1:{relay.admin_port}"
        )
        self.relay = relay
        self._stopped = False

    async def stop(self) -> None:
        """Stop the relay; once is enough."""
        if not self._stopped:
            self._stopped = True
            await self.relay.stop()
        await self.close()


class StartRelay(Protocol):
    """Starts a relay of a site; `bounds` are those of a relay that no configuration sets."""

    async def __call__(self, site: Site, bounds: Bounds | None = None) -> Running:
        """Return the started relay."""


async def start(site: Site, bounds: Bounds | None = None) -> Running:
    """Load the configuration and start its relay."""
    relay = Relay(load(site.config, SecretsMode.CREATE), bounds)
    await relay.start()
    return Running(relay)
