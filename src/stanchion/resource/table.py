"""A table as a resource sees it: its key, its version, its names."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from fastapi import Path
from pydantic import Field
from sqlalchemy import Column, Table, inspect
from sqlalchemy.orm import InstrumentedAttribute, Mapper

from stanchion.database.columns import python_type

_HIGHEST = 2**63 - 1
_NO_NUL = r"^[^\x00]*$"


@dataclass(frozen=True)
class Described:
    """What the model of a table tells. `name` is that of one row, in small letters: `todo`."""

    model: type[Any]
    name: str

    @cached_property
    def mapper(self) -> Mapper[Any]:
        """Return SQLAlchemy's own description."""
        mapper: Mapper[Any] = inspect(self.model)
        return mapper

    @property
    def table(self) -> Table:
        """Return the table."""
        table = self.mapper.local_table
        assert isinstance(table, Table)
        return table

    @property
    def words(self) -> str:
        """Return the name for a reader: `line item` of `line_item`."""
        return self.name.replace("_", " ")

    @cached_property
    def plural(self) -> str:
        """Return the name of many: the table's, `todos`."""
        return self.table.name

    @cached_property
    def key(self) -> InstrumentedAttribute[Any]:
        """Return the column of the primary key."""
        found: InstrumentedAttribute[Any] = getattr(self.model, self.key_name)
        return found

    @cached_property
    def key_name(self) -> str:
        """Return the name of the primary key's attribute. Raises ValueError where it has several columns."""
        columns = self.mapper.primary_key
        if len(columns) != 1:
            raise ValueError(f"{self.model.__name__} has a primary key of several columns, or none.")
        return self.mapper.get_property_by_column(columns[0]).key

    @cached_property
    def id_type(self) -> Any:
        """Return the type of the id in a path, as FastAPI reads it."""
        about = f"The {self.words}'s id."
        if self.id_python is int:
            return Annotated[int, Path(ge=1, le=_HIGHEST, description=about, examples=[7])]
        if self.id_python is str:
            return Annotated[str, Path(min_length=1, max_length=255, pattern=_NO_NUL, description=about)]
        return Annotated[self.id_python, Path(description=about)]

    @property
    def id_python(self) -> type[Any]:
        """Return the type of an id in Python."""
        return python_type(self.mapper.primary_key[0].type)

    @property
    def body_id_type(self) -> Any:
        """Return the type of an id in a body."""
        if self.id_python is int:
            return Annotated[int, Field(ge=1, le=_HIGHEST, examples=[7])]
        return (
            Annotated[str, Field(min_length=1, max_length=255, pattern=_NO_NUL)]
            if self.id_python is str
            else self.id_python
        )

    def has(self, name: str) -> bool:
        """Tell whether there is a column of this name."""
        return name in self.mapper.column_attrs

    def column(self, name: str) -> InstrumentedAttribute[Any]:
        """Return a column. Raises ValueError where there is none of this name."""
        if not self.has(name):
            raise ValueError(f"{self.model.__name__} has no column {name!r}.")
        found: InstrumentedAttribute[Any] = getattr(self.model, name)
        return found

    def columns_of(self, row: Any) -> dict[str, Any]:
        """Return a new row's columns with what they hold; a key that the database gives is left out."""
        values = {one.key: getattr(row, one.key) for one in self.mapper.column_attrs}
        if values[self.key_name] is None:
            del values[self.key_name]
        return values

    def attributes(self, columns: tuple[str, ...]) -> list[str]:
        """Return the attributes of the columns that a database names; those that it has not are left out."""
        known: dict[str, Column[Any]] = {one.name: one for one in self.table.columns}
        return [self.mapper.get_property_by_column(known[one]).key for one in columns if one in known]


def name_of(model: type[Any]) -> str:
    """Return `line_item` of a class `LineItem`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", model.__name__).lower()
