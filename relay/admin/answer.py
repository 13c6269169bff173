"""Answers that are no result: problem details (RFC 9457)."""

import json

from aiohttp import web


def problem(status: int, detail: str, **members: object) -> web.Response:
    """Return an answer with problem details; `members` are further ones, as JSON values."""
    details = {"type": "about:blank", "status": status, "detail": detail, **members}
    return web.Response(
        status=status, body=json.dumps(details).encode(), content_type="application/problem+json"
    )
