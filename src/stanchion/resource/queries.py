"""The statements of a Reader: rows as JSON text, for one database, each compiled once."""

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

from pydantic import BaseModel
from sqlalchemy import BigInteger, Column, ColumnElement, Select, bindparam, literal_column, select
from sqlalchemy.engine import Dialect

from stanchion.database.columns import UTCDateTime
from stanchion.database.encoding import as_object, encoded
from stanchion.database.ready import Ready
from stanchion.pagination import Order
from stanchion.resource.announcer import VERSION
from stanchion.resource.shape import shape
from stanchion.resource.table import Described

ROW_ID, OWNER, LIMIT, OFFSET = "row_id", "row_owner", "page_limit", "page_offset"
"""The names of what is given to the statements; those of a place are `place_0`, `place_1`."""


class Queries:
    """Makes and keeps the statements for one resource on one dialect."""

    def __init__(
        self, table: Described, response: type[BaseModel], dialect: Dialect, *, owner: str, deleted_at: str
    ) -> None:
        self._table, self._dialect = table, dialect
        self._owner, self._deleted_at = owner, deleted_at
        self._text = row_text(table, response, dialect.name)
        self._ready: dict[tuple[Any, ...], Ready] = {}
        self.has_index = lru_cache(_MOST)(self._has_index)
        """Tells whether a page in an order is a walk along an index: then it is short however many rows."""

    def one(self, *, nobodys: bool) -> Ready | None:
        """Return what reads a row's text and version by its key; None where Pydantic has to write rows."""
        name = (nobodys,)
        if self._text is not None and name not in self._ready:
            version = [self._table.column(VERSION)] if self._table.has(VERSION) else []
            key = self._table.key
            statement = select(self._text, *version).where(key == bindparam(ROW_ID, type_=key.type))
            self._ready[name] = Ready.of(self._narrowed(statement, nobodys), self._dialect)
        return self._ready.get(name)

    def page(
        self, order: Order, place: Sequence[Any], limit: int, *, nobodys: bool, passes: bool
    ) -> Ready | None:
        """Return what reads the texts of at most `limit` rows after a place, and where they stand.

        `passes` tells that an offset is given. A common limit is in the statement, so that PostgreSQL plans
        it once: of one that is given it expects a tenth of the rows, and plans again each time. None where
        Pydantic has to write rows, or SQLAlchemy to read what they are sorted by.
        """
        missing = tuple(value is None for value in place)
        own = limit - 1 in _COMMON
        name = (
            nobodys,
            passes,
            limit if own else 0,
            missing,
            *((key.name, key.descending) for key in order.keys),
        )
        if self._text is not None and name not in self._ready and self._are_plain(order):
            if len(self._ready) > _MOST:
                self._ready.clear()
            statement = self._narrowed(select(self._text, *order.kept), nobodys)
            if place:
                named = [
                    None if value is None else bindparam(f"place_{number}", type_=key.kept.type)
                    for number, (key, value) in enumerate(zip(order.keys, place, strict=True))
                ]
                statement = statement.where(order.after(named))
            statement = statement.order_by(*order.clauses).limit(
                literal_column(str(limit)) if own else bindparam(LIMIT, type_=BigInteger())
            )
            if passes:
                statement = statement.offset(bindparam(OFFSET, type_=BigInteger()))
            self._ready[name] = Ready.of(statement, self._dialect)
        return self._ready.get(name)

    def _has_index(self, order: Order) -> bool:
        if self._deleted_at or len({key.descending for key in order.keys}) > 1:
            return False
        if any(key.nullable for key in order.keys):
            return False
        wanted = tuple(filter(None, (self._owner, *(key.name for key in order.keys))))
        return wanted == (self._table.key_name,) or any(
            wanted == walked[: len(wanted)] or wanted[:-1] == walked for walked in self._walks
        )

    @cached_property
    def _walks(self) -> list[tuple[str, ...]]:
        """Return the attributes of each index; SQLite ends all with the row's own number."""
        attributes = self._table.mapper.column_attrs
        names: dict[Any, str] = {column: one.key for one in attributes for column in one.columns}
        return [
            tuple(names.get(one, "") for one in index.columns)
            for index in self._table.table.indexes
            if len(index.columns) == len(index.expressions)
            and index.dialect_options["sqlite"]["where"] is None
        ]

    def _narrowed(self, statement: Select[Any], nobodys: bool) -> Select[Any]:
        if self._owner:
            owner = self._table.column(self._owner)
            mine: ColumnElement[bool] = owner.is_(None)
            if not nobodys:
                mine = owner == bindparam(OWNER, type_=owner.type)
            statement = statement.where(mine)
        if self._deleted_at:
            statement = statement.where(self._table.column(self._deleted_at).is_(None))
        return statement

    def _are_plain(self, order: Order) -> bool:
        """Tell whether the driver gives what rows are sorted by as SQLAlchemy would."""
        if self._dialect.name == "sqlite":  # what it keeps is what a cursor has
            return True
        return all(
            key.kind in (int, str) or isinstance(key.column.type, UTCDateTime)  # an Enum is neither
            for key in order.keys
        )


_COMMON = frozenset({10, 20, 25, 50, 100, 200})
"""Limits of pages that have statements of their own: of all 200 a client could have each compiled."""
_MOST = 1000
"""Statements that are kept: of many columns there are many orders."""


def row_text(
    table: Described, response: type[BaseModel], dialect: str, columns: Mapping[str, Any] | None = None
) -> ColumnElement[str] | None:
    """Return a row as JSON text; None where Pydantic has to write it.

    `columns` are those that it is read from, by their keys, where they are not the table's own.
    """
    mapper = table.mapper
    if mapper.inherits or mapper.polymorphic_on is not None or mapper.class_manager.dispatch.load:
        return None  # the class narrows the rows, or does something to each
    texts: dict[str, ColumnElement[str]] = {}
    for field in shape(response) or ():
        if not table.has(field.attribute):
            return None
        (column, *others) = mapper.column_attrs[field.attribute].columns
        if (
            others
            or not isinstance(column, Column)
            or column.table is not table.table
            or (column.nullable and not field.nullable)
        ):
            return None
        if field.enum is not None and getattr(column.type, "enum_class", None) is not field.enum:
            return None
        text = encoded(columns[column.key] if columns else column, field.kind, dialect)
        if text is None:
            return None
        texts[field.name] = text
    return as_object(texts).label("row_text") if texts else None
