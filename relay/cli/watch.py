"""`relay run --watch`: a reload whenever a file changes."""

import asyncio
from collections.abc import Callable

from watchfiles import PythonFilter, awatch

from relay.config import Loaded, SecretsMode, load
from relay.errors import ConfigInvalid

_SETTLED = 500  # milliseconds without a change


async def reload_on_change(loaded: Loaded, reload: Callable[[], None]) -> None:
    """Ask for a reload when a file of the configuration or of a route has changed."""
    folders = {loaded.path.parent, (loaded.path.parent / loaded.config.routes).resolve()}
    files = PythonFilter(extra_extensions=(".yaml", ".json"))
    watching = False
    async for changes in awatch(
        *folders, watch_filter=files, yield_on_timeout=True, rust_timeout=_SETTLED
    ):
        # Nobody has seen a change between loading and the first look.
        if changes or (not watching and await asyncio.to_thread(_has_changed, loaded)):
            reload()
        watching = True


def _has_changed(loaded: Loaded) -> bool:
    try:
        return load(loaded.path, SecretsMode.PRETEND).digest != loaded.digest
    except ConfigInvalid:
        return True
