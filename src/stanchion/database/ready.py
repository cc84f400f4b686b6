"""A statement that is compiled once: its text for the driver, its values' places, and what its rows mean."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import ReturnsRows

Process = Callable[[Any], Any]
"""What a type makes of a value for the driver, or of the driver's value."""


@dataclass(frozen=True, slots=True)
class Ready:
    """SQL as the driver of one dialect takes it."""

    sql: str
    names: tuple[str, ...] = ()
    """What the values are called, in the order in which the driver takes them."""
    own: Mapping[str, Any] = field(default_factory=dict)
    """The statement's own values, of those that need not be given."""
    processes: tuple[tuple[int, Process], ...] = ()
    """What is to be made of a value, by its place."""
    columns: tuple[Process | None, ...] = ()

    @classmethod
    def of(cls, statement: ReturnsRows, dialect: Dialect) -> "Ready":
        """Compile a statement. What it leaves to be given has a name: `bindparam("row_id", type_=...)`."""
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        names = tuple(compiled.positiontup or ())
        processes = (
            compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names
        )
        made = tuple((place, process) for place, process in enumerate(processes) if process is not None)
        columns = (
            column.type.dialect_impl(dialect).result_processor(dialect, None)
            for column in statement.exported_columns
        )
        own = {name: value for name, value in compiled.params.items() if not compiled.binds[name].required}
        return cls(str(compiled), names, own, made, tuple(columns))

    def parameters(self, values: Mapping[str, Any]) -> list[Any]:
        """Return what the driver takes. Raises what a type raises for a value that it cannot hold.

        KeyError for one that was not given, and is not the statement's own.
        """
        given = {**self.own, **values}
        found = [given[name] for name in self.names]
        for place, process in self.processes:
            found[place] = process(found[place])
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
