"""Inserter: a new row, with its event, without a session: by statements that are compiled once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.roles import SQLRole

from stanchion.caller import Caller
from stanchion.database.changes import TOPIC, circumstances
from stanchion.database.direct import Direct
from stanchion.database.journal import tell
from stanchion.resource.access import Access
from stanchion.resource.announcer import Announcer
from stanchion.resource.insertion import Insertion
from stanchion.resource.reader import direct_of
from stanchion.resource.sharing import is_shared
from stanchion.resource.writing import Writer


@dataclass(frozen=True, slots=True)
class Made:
    """A row that was inserted: its JSON, its key, and its version, or 0."""

    text: bytes
    key: Any
    version: int


class Inserter:
    """Inserts rows of one resource, or says that they have to be inserted as ever.

    As ever is: where the request's session has begun, as it has for an Idempotency-Key; where another may
    work in it too, whose work commits with the row or not at all, or may yet refuse the row; where the row
    refers to others that the caller has to see; and where the database refuses it, which says why then, or
    cannot write its text.
    """

    def __init__(
        self,
        writer: Writer[Any],
        make: Callable[..., Insertion],
        announcer: Announcer | None,
        session: Callable[..., Any],
    ) -> None:
        self._writer, self._make, self._announcer, self._session = writer, make, announcer, session
        self._table_name = writer.table.table.name
        self._insertions: dict[Dialect, Insertion] = {}

    def direct(self, access: Access[Any], request: Request, values: Mapping[str, Any]) -> Direct | None:
        """Return what writes a row of these values past the request's session; None: do it as ever."""
        direct = direct_of(access, request)
        if direct is None or is_shared(request, access.session, self._session):
            return None
        return None if any(values.get(name) is not None for name in access.references) else direct

    async def create(self, direct: Direct, caller: Caller | None, values: Mapping[str, Any]) -> Made | None:
        """Insert a row and tell of it, durably. Raises what `Writer.made` raises. None: do it as ever."""
        announcer = self._announcer
        made = self._writer.made(values)
        for value in made.values():
            if isinstance(value, SQLRole):  # what a hook wants computed
                return None
        steps = self._of(direct).steps(tuple(made))
        if steps is None:
            return None
        given = (*made.values(), *(() if announcer is None else circumstances(caller)))
        rows = await direct.write(steps.ready, dict(zip(steps.names, given, strict=True)))
        if rows is None:
            return None
        if announcer is not None:
            direct.tell(TOPIC)
            announcer.events.appended(direct)
        text, key, version, _ = rows[0]
        tell("created", table=self._table_name, id=key)
        return Made(text.encode(), key, version or 0)

    def _of(self, direct: Direct) -> Insertion:
        found = self._insertions.get(direct.dialect)
        if found is None:
            found = self._insertions[direct.dialect] = self._make(direct.dialect)
        return found
