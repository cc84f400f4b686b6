"""GET /export: every row of a list, streamed in constant memory."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import anyio.to_thread
from fastapi import Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement
from starlette.responses import StreamingResponse

from stanchion.pagination import Order, refuse_unknown
from stanchion.resource.access import Access
from stanchion.resource.endpoints import Endpoint
from stanchion.resource.formats import Format, JSONLines, Name, Table
from stanchion.resource.kinds import is_mixed, kinds
from stanchion.resource.names import aliases, columns, told_empty
from stanchion.resource.sample import sample
from stanchion.resource.signature import typed
from stanchion.resource.sources import Opener, source

if TYPE_CHECKING:
    from stanchion.resource.resource import Resource

BATCH = 1000
"""Rows that are read at a time, at most."""
FIRST = 5
"""Rows of the first batch: nobody knows yet how wide they are, and its bytes leave soon."""
_GROWTH = 10
"""How many times as many rows a batch may have as the one before it, which may have had the narrow ones."""
_AT_ONCE = 1024 * 1024
"""Bytes that a batch should have, as the one before it lets expect."""


class ExportQuery(BaseModel):
    """The query parameters of an export, beside the list's filters and `sort`."""

    format: Name = Field("ndjson", description="`ndjson`: a JSON object to a line. `csv`: as RFC 4180.")


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows, where the last of them stands, and whether there are others after it."""

    rows: Sequence[Any]
    end: Sequence[Any]
    is_last: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file: how many rows it has, and its bytes, about a megabyte at the most."""

    rows: int
    content: bytes


@dataclass(frozen=True)
class Walk:
    """The rows of a list in their order, a batch at a time, each in a short transaction of its own.

    Between two batches nothing is held, neither a connection nor a cursor: a client may be slow.
    """

    opened: Opener
    access: Access[Any]
    where: tuple[ColumnElement[bool], ...]
    order: Order

    async def first(self) -> Batch:
        """Return the first batch, read in the request's own session."""
        return await self._read(self.access, FIRST)

    async def after(self, batch: Batch, limit: int) -> Batch:
        """Return the batch that comes after this one."""
        place = self.order.after(batch.end)
        async with self.opened() as session:
            return await self._read(replace(self.access, session=session), limit, place)

    async def _read(self, access: Access[Any], limit: int, *place: ColumnElement[bool]) -> Batch:
        statement = access.select().where(*self.where, *place).order_by(*self.order.clauses).limit(limit)
        found = (await access.session.execute(statement.add_columns(*self.order.kept))).all()
        return Batch([row for row, *_ in found], found[-1][1:] if found else (), is_last=len(found) < limit)


def export(resource: "Resource[Any]") -> Endpoint:
    """GET /export: the rows that the caller may see, all of them, in the order that is asked for."""
    listing, name = resource.listing, f"{resource.model.__name__}ExportQuery"
    sorting, filters = listing.sorting, listing.filters
    query_type = sorting.query(ExportQuery, name)
    query_type = query_type if filters is None else filters.query(query_type, name)
    by_name = formats(resource)
    many, plural = resource.table.plural.replace("_", " "), resource.table.plural
    file = re.sub(r"[^A-Za-z0-9_-]", "_", plural)

    async def rows(query: Any, access: Access[Any], opened: Opener, request: Request) -> StreamingResponse:
        refuse_unknown(request)
        where = () if filters is None else tuple(filters.where(query))
        walk = Walk(opened, access, where, sorting.order(query.sort))
        # Before the response begins: what the database refuses here still has an answer of its own.
        first = await walk.first()
        chosen = by_name[query.format]
        return StreamingResponse(
            _contents(pieces(resource, walk, first, chosen)),
            media_type=chosen.media_type,
            headers={"Content-Disposition": f'attachment; filename="{file}.{query.format}"'},
        )

    doc = (
        f"All {many} that the filters leave, in the order of `sort`, as a file that is sent while it is "
        "read: each row as it is when its turn comes. One that breaks off ends without its last chunk. In "
        "CSV a text that a spreadsheet would compute has an apostrophe before it, which the import takes off."
    )
    call = typed(
        rows,
        f"export_{plural}",
        doc,
        {
            "query": Annotated[query_type, Query()],
            "access": resource.hooks.reading,
            "opened": source(type(resource).sessions, type(resource).session),
        },
    )
    return Endpoint(
        "export",
        "GET",
        "/export",
        call,
        f"Export {many}",
        responses={200: _documented(resource, by_name.values(), file)},
        options={"response_class": StreamingResponse},
    )


def formats(resource: "Resource[Any]") -> dict[Name, Format]:
    """Return the formats that the rows of a resource leave in."""
    return {"ndjson": JSONLines(), "csv": table(resource.response, resource.create)}


def table(response: type[BaseModel], create: type[BaseModel] | None) -> Table:
    """Return CSV that the import by this schema, where there is one, reads as what it was."""
    if create is None:
        return Table(columns(response))
    found = kinds(create)
    mixed = {alias for alias, name in aliases(create).items() if is_mixed(found.get(name, frozenset()))}
    return Table(columns(response), told_empty(create), mixed)


async def _contents(found: AsyncIterator[Piece]) -> AsyncIterator[bytes]:
    """Give what is sent. What fails here ends the connection: no file looks complete."""
    async for piece in found:
        yield piece.content


async def pieces(resource: "Resource[Any]", walk: Walk, batch: Batch, chosen: Format) -> AsyncIterator[Piece]:
    """Give the rows from the first batch on, in a format."""

    def encode(begin: bytes = b"") -> bytes:
        return begin + chosen.encode([resource.shown(row) for row in batch.rows])

    limit = FIRST
    # In a thread: of a thousand rows it takes tens of milliseconds.
    encoded = await anyio.to_thread.run_sync(encode, chosen.begin())
    yield Piece(len(batch.rows), encoded)
    while not batch.is_last:
        limit = max(1, min(BATCH, _GROWTH * limit, _AT_ONCE * len(batch.rows) // len(encoded)))
        batch = await walk.after(batch, limit)
        encoded = await anyio.to_thread.run_sync(encode)
        yield Piece(len(batch.rows), encoded)


def _documented(resource: "Resource[Any]", formats: Any, file: str) -> dict[str, Any]:
    row = sample(resource.response, output=True)
    disposition = {
        "description": "The name of the file (RFC 6266).",
        "schema": {"type": "string"},
        "example": f'attachment; filename="{file}.ndjson"',
    }
    return {
        "headers": {"Content-Disposition": disposition},
        "content": {
            one.media_type: {"schema": {"type": "string"}}
            | ({"example": (one.begin() + one.encode([row])).decode()} if row else {})
            for one in formats
        },
    }
