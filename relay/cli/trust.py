"""aiohttp, imported without the certificates that the system trusts: they are read when a TLS connection needs them.

aiohttp makes two contexts when it is imported, of which the relay uses one, and has each read all certificates.
"""

import ssl
import sys
from typing import Any


class _Unread(ssl.SSLContext):
    """A context that reads the certificates before its first connection; from then on it is like any other."""

    def wrap_bio(self, *args: Any, **named: Any) -> ssl.SSLObject:
        """Begin a connection, as asyncio does it."""
        self.__class__ = ssl.SSLContext  # type: ignore[assignment]  # for good
        self.set_default_verify_paths()
        return self.wrap_bio(*args, **named)


def _put_off(context: ssl.SSLContext) -> None:
    context.__class__ = _Unread  # until then nobody is trusted


if "aiohttp" not in sys.modules:
    ssl.SSLContext.set_default_verify_paths = _put_off  # type: ignore[assignment, method-assign]
    try:
        import aiohttp  # noqa: F401 - others find it imported
    finally:
        del ssl.SSLContext.set_default_verify_paths  # what is left is the method of the class below it
