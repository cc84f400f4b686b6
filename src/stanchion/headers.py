"""The response headers that the parts set, for the OpenAPI document."""

from typing import Any

_HEADERS: dict[str, tuple[str, str]] = {
    "ETag": ("The version, for If-None-Match and If-Match (RFC 9110, 8.8.3).", '"3"'),
    "Link": (
        'The other pages: rel="first", "prev" and "next" (RFC 8288).',
        '</api/todos?limit=50&offset=50>; rel="next"',
    ),
    "Location": ("Where the new thing is.", "/api/todos/7"),
    "X-Total-Count": ("How many there are in all, for count=exact.", "1024"),
}


def headers(*names: str) -> dict[str, Any]:
    """Document the headers of a response: `responses={201: headers("ETag", "Location")}`."""
    return {
        "headers": {
            name: {"description": description, "schema": {"type": "string"}, "example": example}
            for name in names
            for description, example in [_HEADERS[name]]
        }
    }
