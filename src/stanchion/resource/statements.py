"""INSERT of many rows that need not have the same fields, as few statements of the driver's own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, insert
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from stanchion.resource.table import Described

Row = Mapping[str, Any]
"""The values of a new row, by the names of the model's attributes."""
Group = list[dict[str, Any]]
"""Rows with the same columns, by the keys of these columns."""


@dataclass(frozen=True)
class Ready:
    """An INSERT and its parameters, as the driver takes them."""

    statement: str
    rows: list[tuple[Any, ...]]


class Inserts:
    """Makes of rows what inserts them. `dialect` is that of the database."""

    def __init__(self, table: Described, dialect: Dialect) -> None:
        self._table, self._dialect = table, dialect
        attributes = table.mapper.column_attrs
        self._columns: dict[str, Any] = {one.key: one.columns[0] for one in attributes}
        self._known: dict[tuple[str, ...], _Compiled | None] = {}

    def groups(self, rows: Sequence[Row]) -> list[Group]:
        """Return the rows by their columns: what a row lacks is filled in where it is known what that is.

        Where only the database knows, rows with and without it are inserted apart.
        """
        names = dict.fromkeys(name for row in rows for name in row)
        filled = {name: self._missing(self._columns[name]) for name in names}
        found: dict[tuple[str, ...], Group] = {}
        for row in rows:
            values = {
                self._columns[name].key: row[name] if name in row else filled[name]
                for name in names
                if name in row or filled[name] is not _UNKNOWN
            }
            found.setdefault(tuple(values), []).append(values)
        return list(found.values())

    def ready(self, rows: Sequence[Row]) -> list[Ready] | None:
        """Return the statements with their parameters; None where SQLAlchemy has to see to it row by row.

        Raises what a column's type raises for a value that it cannot hold.
        """
        found = []
        for group in self.groups(rows):
            compiled = self._compiled(tuple(group[0]))
            if compiled is None:
                return None
            found.append(Ready(compiled.statement, compiled.parameters(group)))
        return found

    def _missing(self, column: Column[Any]) -> Any:
        """Return what a row has in a column that it does not name, or _UNKNOWN."""
        default = column.default
        if default is not None:
            return default.arg if isinstance(default, ScalarElementColumnDefault) else _UNKNOWN
        by_database = column.server_default is not None or column.primary_key
        # To JSON, None is a value of its own.
        return _UNKNOWN if by_database or column.type.should_evaluate_none else None

    def _compiled(self, keys: tuple[str, ...]) -> "_Compiled | None":
        if keys not in self._known:
            if len(self._known) > _MOST:
                self._known.clear()
            self._known[keys] = self._compile(keys)
        return self._known[keys]

    def _compile(self, keys: tuple[str, ...]) -> "_Compiled | None":
        table = self._table.table
        compiled = insert(table).compile(dialect=self._dialect, column_keys=list(keys), for_executemany=True)
        assert isinstance(compiled, SQLCompiler)
        order = compiled.positiontup or ()
        if compiled.insert_prefetch or set(order) != set(keys):
            return None
        processors = [
            table.columns[key].type.dialect_impl(self._dialect).bind_processor(self._dialect) for key in order
        ]
        return _Compiled(str(compiled), list(zip(order, processors, strict=True)))


@dataclass(frozen=True)
class _Compiled:
    statement: str
    columns: list[tuple[str, Callable[[Any], Any] | None]]

    def parameters(self, rows: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        return [
            tuple([row[key] if process is None else process(row[key]) for key, process in self.columns])
            for row in rows
        ]


_UNKNOWN = object()
_MOST = 100
"""Statements that are kept: a file may name any of the sets of fields that there are."""
