"""A statement that is compiled once: its text for the driver, and the places of its values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value goes: one that is given by name, or the statement's own."""

    name: str
    value: Any
    process: Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class Ready:
    """SQL as the driver of one dialect takes it."""

    sql: str
    places: tuple[Place, ...]

    @classmethod
    def of(cls, statement: ClauseElement, dialect: Dialect) -> "Ready":
        """Compile a statement. What it leaves to be given has a name: `bindparam("row_id", type_=...)`."""
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        own = compiled.params
        places = []
        for name in compiled.positiontup or ():
            kind = compiled.binds[name].type
            places.append(Place(name, own[name], kind.dialect_impl(dialect).bind_processor(dialect)))
        return cls(str(compiled), tuple(places))

    def parameters(self, values: Mapping[str, Any]) -> list[Any]:
        """Return what the driver takes. Raises what a type raises for a value that it cannot hold."""
        found = []
        for place in self.places:
            value = values.get(place.name, place.value)
            found.append(value if place.process is None else place.process(value))
        return found
