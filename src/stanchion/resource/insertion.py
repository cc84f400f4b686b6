"""Insertion: a new row, its event and its JSON by one statement; on SQLite by three of one transaction."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from sqlalchemy import (
    Column,
    ColumnElement,
    Insert,
    Text,
    bindparam,
    cast,
    insert,
    literal_column,
    null,
    select,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import ReturnsRows

from stanchion.database import changes
from stanchion.database.changes import events
from stanchion.database.encoding import insisted
from stanchion.database.ready import Ready
from stanchion.resource.announcer import VERSION
from stanchion.resource.queries import row_text
from stanchion.resource.table import Described


@dataclass(frozen=True, slots=True)
class Steps:
    """The statements that insert a row of some attributes."""

    ready: tuple[Ready, ...]
    names: tuple[str, ...]
    """What the values of these are given as, and after them those of an event, `changes.circumstances`."""


_CIRCUMSTANCES = {name: f"event_{name}" for name in changes.CIRCUMSTANCES}
"""What the values of an event are given as that are not the row's, by the event's column."""
_OF_ROW = ("data", "key", "version", "owner_id")
"""The columns of an event that are the row's, in the order in which a statement returns them."""


class Insertion:
    """Makes and keeps the statements that insert into a table on one dialect.

    `topic` is that of the event that each row has; "" where it has none.
    """

    def __init__(
        self,
        table: Described,
        response: type[BaseModel],
        dialect: Dialect,
        *,
        owner: str,
        topic: str,
    ) -> None:
        self._table, self._response, self._dialect = table, response, dialect
        self._owner, self._topic = owner, topic
        self._known: dict[tuple[str, ...], Steps | None] = {}

    def steps(self, names: tuple[str, ...]) -> Steps | None:
        """Return what inserts a row of these attributes.

        They return the row's text, its key, its version and its owner, NULL where it has none; a row that the
        database cannot write as Pydantic would, it refuses. None where Pydantic has to write every row, or
        SQLAlchemy to fill in something of it.
        """
        if names not in self._known:
            if len(self._known) > _MOST:
                self._known.clear()
            ready = self._made(names)
            given = (*map(_GIVEN.format, names), *(_CIRCUMSTANCES.values() if self._topic else ()))
            self._known[names] = None if ready is None else Steps(ready, given)
        return self._known[names]

    def _made(self, names: tuple[str, ...]) -> tuple[Ready, ...] | None:
        columns = {name: self._table.mapper.column_attrs[name].columns[0] for name in names}
        values = {one.key: bindparam(_GIVEN.format(name), type_=one.type) for name, one in columns.items()}
        inserted = insert(self._table.table).values(values)
        compiled = inserted.compile(dialect=self._dialect)
        assert isinstance(compiled, SQLCompiler)
        if compiled.insert_prefetch:  # a default that SQLAlchemy fills in
            return None
        if self._dialect.name == "sqlite":
            return self._one_by_one(inserted)
        written = inserted.returning(*self._table.table.columns).cte("written")
        shown = self._shown(written.columns)
        if shown is None:
            return None
        if not self._topic:
            return (Ready.of(select(*shown), self._dialect),)
        text, key, version, owner = shown
        given = self._given()
        row = select(*given.values(), text, cast(key, Text), version, owner).select_from(written)
        event = insert(events).from_select([*given, *_OF_ROW], row, include_defaults=False)
        # All that is asked for is the event's, too; but its key is a text.
        told = event.returning(
            events.c.data, cast(events.c.key, key.type), events.c.version, events.c.owner_id
        )
        return (Ready.of(told, self._dialect),)

    def _one_by_one(self, inserted: Insert) -> tuple[Ready, ...] | None:
        """Return the steps on SQLite, which has no statement that writes to two tables.

        The row is read again: `RETURNING a IS NULL` is 0 for a NULL in some tables, on SQLite 3.40.
        """
        shown = self._shown(self._table.table.columns)
        if shown is None or self._table.id_python not in (int, str):  # it keeps a UUID in another form
            return None
        key = self._table.mapper.primary_key[0]
        steps: list[ReturnsRows] = [
            inserted.returning(key),
            select(*shown).where(key == bindparam("row_0", type_=key.type)),
        ]
        if self._topic:
            steps.append(insert(events).values(self._given() | _of_row()))
        return tuple(Ready.of(step, self._dialect) for step in steps)

    def _shown(self, columns: Any) -> tuple[ColumnElement[Any], ...] | None:
        text = row_text(self._table, self._response, self._dialect.name, dict(columns.items()))
        if text is None:
            return None

        def column(name: str) -> ColumnElement[Any]:
            if not name or not self._table.has(name):
                return null()
            own = self._table.mapper.column_attrs[name].columns[0]
            assert isinstance(own, Column)
            found: ColumnElement[Any] = columns[own.key]
            return found

        key = column(self._table.key_name)
        return insisted(text, key, self._dialect.name), key, column(VERSION), column(self._owner)

    def _given(self) -> dict[str, ColumnElement[Any]]:
        """Return what an event has beside its row: what all have alike stands in the statement."""
        same = {"topic": self._topic, "kind": "created"}
        written = {name: _literal(value, self._dialect) for name, value in same.items()}
        given = {name: bindparam(one, type_=events.c[name].type) for name, one in _CIRCUMSTANCES.items()}
        return {**written, **given}


def _literal(value: str, dialect: Dialect) -> ColumnElement[Any]:
    kind: Any = Text()  # what writes a literal has no types
    return literal_column(kind.literal_processor(dialect)(value), kind)


def _of_row() -> dict[str, ColumnElement[Any]]:
    return {
        name: bindparam(f"row_{number}", type_=events.c[name].type) for number, name in enumerate(_OF_ROW)
    }


_GIVEN = "new_{}"
_MOST = 100
"""Statements that are kept: a body may name any of the sets of fields that there are."""
