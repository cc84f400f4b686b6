"""Pages of a list: limit and offset, and the links from one page to the next (RFC 8288)."""

from collections.abc import Mapping
from typing import Literal
from urllib.parse import parse_qsl, quote, urlencode

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from stanchion.headers import location

_PLACE = ("limit", "cursor", "offset")
"""What says which page of a list is meant."""


class Page(BaseModel):
    """The query parameters of a list. Subclass it to add filters; an unknown parameter is a 422.

    So it holds all that the path operation takes: where dependencies beside it have parameters of their
    own, take a Listing.
    """

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="How many rows at the most.")
    offset: int = Field(0, ge=0, le=2**63 - 1, description="How many rows to pass over.")
    count: Literal["exact"] | None = Field(None, description="`exact` asks for `X-Total-Count`.")


def add_links(request: Request, response: Response, page: Page, *, more: bool) -> None:
    """Set the `Link` header of a page: `first`, and `prev` and `next` where there are such.

    The links keep the other query parameters. They are paths, without the server's name (RFC 8288, 3.1;
    RFC 3986, 4.2), with the prefix of a proxy where the app or the server knows it as `root_path`.
    """
    response.headers["Link"] = offset_links(request, page, more=more)


def offset_links(request: Request, page: Page, *, more: bool) -> str:
    """Return what `Link` says of a page, where it has an offset."""
    offsets = {"first": 0}
    if page.offset > 0:
        offsets["prev"] = max(0, page.offset - page.limit)
    if more:
        offsets["next"] = page.offset + page.limit
    return links(request, page.limit, {rel: {"offset": offset} for rel, offset in offsets.items()})


def links(request: Request, limit: int, places: Mapping[str, Mapping[str, int | str]]) -> str:
    """Return what `Link` says: for each relation the same query at another place (RFC 8288, 3)."""
    # Not request.url: the path in it is decoded, and the Host header is the client's to choose.
    path = location(request, quote(_own_path(request)))
    sent = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    kept = [(name, value) for name, value in sent if name not in _PLACE]
    here = f"{path}?{urlencode([*kept, ('limit', limit)])}"
    return ", ".join(
        f'<{here}{"&" if place else ""}{urlencode(place)}>; rel="{rel}"' for rel, place in places.items()
    )


def page_of(request: Request) -> tuple[str, str, bytes]:
    """Return what of a request its links are made of: the prefix of a proxy, the path and the query."""
    scope = request.scope
    return scope.get("root_path", ""), scope["path"], scope["query_string"]


def _own_path(request: Request) -> str:
    """Return the path within the app: a server may or may not put the prefix of a proxy before it."""
    path, root = str(request.scope["path"]), request.scope.get("root_path", "").rstrip("/")
    return path.removeprefix(root) if path == root or path.startswith(f"{root}/") else path
