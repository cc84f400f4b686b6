"""The response headers that the parts set: what they hold, and how the OpenAPI document says it."""

from typing import Any
from urllib.parse import quote

from fastapi import Request

_HEADERS: dict[str, tuple[str, str]] = {
    "ETag": ("The version, for If-None-Match and If-Match (RFC 9110, 8.8.3).", '"3"'),
    "Idempotent-Replayed": ("`true` where this is the stored reply of the first request.", "true"),
    "Link": (
        'The other pages: rel="first", "prev" and "next" (RFC 8288).',
        '</api/todos?limit=50&offset=50>; rel="next"',
    ),
    "Location": ("Where the new thing is.", "/api/todos/7"),
    "X-Total-Count": ("How many there are in all, for count=exact.", "1024"),
}


def location(request: Request, path: str) -> str:
    """Return a path of this app as the client reaches it, also behind a proxy's prefix: for Location."""
    return quote(request.scope.get("root_path", "").rstrip("/")) + path


def headers(*names: str) -> dict[str, Any]:
    """Document the headers of a response: `responses={201: headers("ETag", "Location")}`."""
    return {
        "headers": {
            name: {"description": description, "schema": {"type": "string"}, "example": example}
            for name in names
            for description, example in [_HEADERS[name]]
        }
    }
