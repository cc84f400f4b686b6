"""A statement that is compiled once: its text for the driver, its values' places, and what its rows mean."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import ReturnsRows

Process = Callable[[Any], Any]
"""What a type makes of a value for the driver, or of the driver's value."""


class Place(NamedTuple):
    """Where a value goes: one that is given by name, or the statement's own."""

    name: str
    value: Any
    process: Process | None


@dataclass(frozen=True, slots=True)
class Ready:
    """SQL as the driver of one dialect takes it."""

    sql: str
    places: tuple[Place, ...]
    columns: tuple[Process | None, ...] = ()

    @classmethod
    def of(cls, statement: ReturnsRows, dialect: Dialect) -> "Ready":
        """Compile a statement. What it leaves to be given has a name: `bindparam("row_id", type_=...)`."""
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        own = compiled.params
        places = []
        for name in compiled.positiontup or ():
            kind = compiled.binds[name].type
            places.append(Place(name, own[name], kind.dialect_impl(dialect).bind_processor(dialect)))
        columns = (
            column.type.dialect_impl(dialect).result_processor(dialect, None)
            for column in statement.exported_columns
        )
        return cls(str(compiled), tuple(places), tuple(columns))

    def parameters(self, values: Mapping[str, Any]) -> list[Any]:
        """Return what the driver takes. Raises what a type raises for a value that it cannot hold."""
        found = []
        for name, own, process in self.places:
            value = values.get(name, own)
            found.append(value if process is None else process(value))
        return found

    def read(self, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Return the driver's rows as SQLAlchemy would give them."""
        return [
            tuple(
                [
                    value if process is None else process(value)
                    for value, process in zip(row, self.columns, strict=True)
                ]
            )
            for row in rows
        ]
