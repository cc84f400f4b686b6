"""The response headers that the parts set: what they hold, and how the OpenAPI document says it."""

from typing import Any
from urllib.parse import quote

from fastapi import Request

_HEADERS: dict[str, tuple[str, str | None]] = {
    "ETag": ("The version, for If-None-Match and If-Match (RFC 9110, 8.8.3).", '"3"'),
    "Idempotent-Replayed": ("`true` where this is the stored reply of the first request.", "true"),
    "Link": ('The other pages: rel="first", "prev" and "next" (RFC 8288).', None),
    "Location": ("Where the new thing is.", None),
    "X-Total-Count": ("How many there are in all, for count=exact.", "1024"),
}
"""What each says, and an example where one is true of every operation."""


def location(request: Request, path: str) -> str:
    """Return a path of this app as the client reaches it, also behind a proxy's prefix: for Location."""
    return quote(request.scope.get("root_path", "").rstrip("/")) + path


def headers(*names: str, **examples: str) -> dict[str, Any]:
    """Document the headers of a response: `responses={201: headers("ETag", "Location")}`.

    `Link` and `Location` are of one operation alone: `stanchion.install` adds an example of its own path.
    Where that cannot be known, say it: `headers("ETag", Location="/api/users/me")`. Raises KeyError for
    a header that is not one of ours.
    """
    return {"headers": {name: _documented(name, examples.get(name)) for name in (*names, *examples)}}


def _documented(name: str, example: str | None) -> dict[str, Any]:
    description, general = _HEADERS[name]
    shown = example or general
    return {"description": description, "schema": {"type": "string"}} | ({"example": shown} if shown else {})
