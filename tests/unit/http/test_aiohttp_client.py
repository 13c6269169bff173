"""The names of aiohttp's client that the relay needs beyond its documentation.

When aiohttp moves: raise its bound in pyproject.toml, `make lock`, run this file,
tests/faults/test_exchange.py and tests/faults/test_targets.py. A name that is gone is used in
relay/http/aiohttp_client.py alone: adapt it there, with its line in `_NEEDED`. A name that means
something else fails the two fault suites.
"""

import aiohttp
import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import DataQueue

from relay.app import Relay
from relay.config import SecretsMode, load
from relay.errors import LibraryUnusable
from relay.http import aiohttp_client
from tests.support.site import Site


def test_installed_aiohttp_has_every_name() -> None:
    """The locked version is one that the relay knows."""
    aiohttp_client.check()


@pytest.mark.parametrize(
    ("owner", "name"), [(BaseProtocol, "_parser"), (ResponseHandler, "should_close")]
)
def test_renamed_attribute_stops_the_start_and_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    """The error names the attribute, the installed version, and both ways out."""
    monkeypatch.setattr(owner, f"renamed{name}", getattr(owner, name), raising=False)
    monkeypatch.delattr(owner, name)
    with pytest.raises(LibraryUnusable) as error:
        aiohttp_client.check()
    text = str(error.value)
    assert text.startswith(f"aiohttp {aiohttp.__version__} has no {owner.__name__}.{name}; ")
    assert "requirements.lock" in text
    assert "relay/http/aiohttp_client.py" in text


def test_renamed_parameter_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parameter that is given by name is looked for as well."""

    def set_response_params(_: ResponseHandler, *, auto_decompress: bool = True) -> None:
        raise NotImplementedError

    monkeypatch.setattr(ResponseHandler, "set_response_params", set_response_params)
    with pytest.raises(LibraryUnusable, match=r"set_response_params\(read_until_eof=\)"):
        aiohttp_client.check()


async def test_relay_on_another_aiohttp_does_not_start(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start ends before anything is opened: no delivery meets the missing name."""
    site.configure({})
    relay = Relay(load(site.config, SecretsMode.CREATE))
    monkeypatch.delattr(DataQueue, "read")
    with pytest.raises(LibraryUnusable, match=r"ResponseHandler\.read"):
        await relay.start()
    assert not (site.var / "relay.db").exists()
