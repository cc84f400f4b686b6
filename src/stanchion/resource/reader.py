"""Reader: rows as the database itself writes them in JSON, by statements that are compiled once."""

from collections.abc import Callable
from typing import Any, Literal

from fastapi import Request, Response
from fastapi.datastructures import DefaultPlaceholder
from sqlalchemy.engine import Dialect

from stanchion.caller import Caller
from stanchion.database.direct import Direct
from stanchion.database.session import RequestSession, is_session_meant
from stanchion.pagination import Selection
from stanchion.place import place
from stanchion.resource.access import Access
from stanchion.resource.queries import LIMIT, OFFSET, OWNER, ROW_ID, Queries

Encode = Literal["database", "application"]

_SHORT_OFFSET = 1000
"""Rows that are passed over in the time that a short read may take."""


class Reader:
    """Reads the rows of one resource as JSON text, or says that they have to be read as ever.

    That is decided where the resource is declared: each field of its response is a column's value, written
    as Pydantic would, and the rows that a caller may see follow from the owner and `deleted_at` alone. A
    request is read as ever where its session has begun already or is no Database's own, where it asks for
    filters or `count`, and where the app's responses have a class of their own.
    """

    def __init__(self, queries: Callable[[Dialect], Queries], *, is_owned: bool) -> None:
        self._make, self._is_owned = queries, is_owned
        self._queries: dict[Dialect, Queries] = {}

    async def one(
        self, direct: Direct, caller: Caller | None, row_id: Any
    ) -> tuple[bytes, int] | Literal["missing"] | None:
        """Return a row and its version (0 without one), or that it is not there; None: read it as ever."""
        ready = self._of(direct).one(nobodys=self._is_nobodys(caller))
        if ready is None:
            return None
        rows = await direct.fetch(ready, {ROW_ID: row_id, OWNER: _user(caller)}, is_short=True)
        if not rows:
            return None if rows is None else "missing"
        text, *version = rows[0]
        return None if text is None else (text.encode(), version[0] if version else 0)

    @staticmethod
    def reads(selection: Selection) -> bool:
        """Tell whether it is a page that may be read so."""
        cursor = selection.cursor
        return not (selection.where or selection.query.count or (cursor is not None and cursor.digest))

    async def page(
        self, direct: Direct, caller: Caller | None, selection: Selection
    ) -> tuple[bytes, str] | None:
        """Return the rows of a page as a JSON array, and what `Link` says; None: read it as ever."""
        if not self.reads(selection):
            return None
        cursor, query, order = selection.cursor, selection.query, selection.walked
        queries = self._of(direct)
        place = () if cursor is None else cursor.own_place(order, direct.dialect.name)
        nobodys = self._is_nobodys(caller)
        ready = queries.page(order, place, query.limit + 1, nobodys=nobodys, passes=bool(query.offset))
        if ready is None:
            return None
        values = {f"place_{number}": value for number, value in enumerate(place)}
        values |= {OWNER: _user(caller), LIMIT: query.limit + 1, OFFSET: query.offset}
        is_short = query.offset <= _SHORT_OFFSET and queries.has_index(order)
        rows = await direct.fetch(ready, values, is_short=is_short)
        if rows is None:
            return None
        texts, link = selection.cut(rows)
        return None if None in texts else (f"[{','.join(texts)}]".encode(), link)

    def _of(self, direct: Direct) -> Queries:
        found = self._queries.get(direct.dialect)
        if found is None:
            found = self._queries[direct.dialect] = self._make(direct.dialect)
        return found

    def _is_nobodys(self, caller: Caller | None) -> bool:
        """Tell whether the rows are those without an owner: the service's own."""
        if not self._is_owned:
            return False
        assert caller is not None
        return caller.user_id is None


def _user(caller: Caller | None) -> int | None:
    return None if caller is None else caller.user_id


def direct_of(access: Access[Any], request: Request) -> Direct | None:
    """Return what reads past the session; None where somebody has begun in it, or made it."""
    session = access.session
    if not isinstance(session, RequestSession) or session.is_open:
        return None
    if is_session_meant():
        return None
    if not isinstance(getattr(place(request.scope), "response_class", None), DefaultPlaceholder):
        return None
    return session.database.direct


class JSONText(Response):
    """JSON that is written already, with its headers as they are sent."""

    def __init__(self, text: bytes, *headers: tuple[bytes, bytes], status: int = 200) -> None:
        self.status_code = status
        self.body = text
        self.background = None
        length = (b"content-length", str(len(text)).encode())
        self.raw_headers = [length, (b"content-type", b"application/json"), *headers]


def as_json(text: bytes, response: Response, status: int = 200) -> Response:
    """Return the reply with what dependencies, and the path operation, have said of it."""
    return JSONText(text, *response.raw_headers, status=response.status_code or status)
