"""Who may ask: a token guards all but health; without one, this machine's own programs may."""

import hmac
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from relay.admin.answer import problem
from relay.errors import Rejected, StoreUnavailable

_OPEN = frozenset({"/healthz", "/readyz"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_log = structlog.get_logger("relay.admin")


def is_allowed(token: bytes, headers: Mapping[str, str], raw_path: str) -> bool:
    """Tell whether a request may be answered; compares tokens in constant time.

    Without a token, a page from elsewhere must not reach the relay through a browser on this
    machine: the headers by which a browser describes that page must name this very listener.
    """
    if token:
        bearer = headers.get("authorization", "").removeprefix("Bearer ").encode()
        return hmac.compare_digest(bearer, token)
    host = headers.get("host", "")
    name, _, port = host.rpartition(":")
    # Old browsers send `origin` alone, new ones `sec-fetch-site` too.
    origin = headers.get("origin", f"http://{host}")
    return (
        (name if port.isdigit() else host) in _LOOPBACK
        and raw_path.startswith("/")  # an absolute form names a host of its own
        and origin.partition("://")[2] == host
        and headers.get("sec-fetch-site", "none") in {"none", "same-origin"}
    )


def guard(token: bytes) -> Middleware:
    """Return the middleware that lets in who may, and turns exceptions into answers."""

    @web.middleware
    async def guarded(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path not in _OPEN and not is_allowed(token, request.headers, request.raw_path):
            return problem(401, "a token is needed: send authorization: Bearer …")
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            return problem(error.status, error.reason)
        except Rejected as rejected:
            return problem(rejected.reason.status, rejected.detail)
        except StoreUnavailable as error:
            return problem(503, str(error))
        except Exception:  # noqa: BLE001 - our own fault is answered too
            _log.exception("admin_fault", path=request.path)
            return problem(500, "this is our fault; the log says more")
        answer.headers["cache-control"] = "no-store"
        answer.headers["x-content-type-options"] = "nosniff"
        return answer

    return guarded
