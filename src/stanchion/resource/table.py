"""A table as a resource sees it: its key, its version, its names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo
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

    def check(self, schema: type[BaseModel]) -> None:
        """Raise ValueError for a schema with a field that is no column: what a client sends must be kept."""
        for name in schema.model_fields:
            if not self.has(name):
                raise ValueError(
                    f"{schema.__name__} has a field {name!r}, and {self.model.__name__} no such column: "
                    "take it out, or write the operation by hand."
                )

    def defaults(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a SQLModel table fills in by itself of what is not given.

        The class is not called for it, which takes longer. What another mapped class fills in, SQLAlchemy
        does when it inserts.
        """
        found = {
            name: field.get_default(call_default_factory=True)
            for name, field in self._defaulted
            if name not in given
        }
        if found.get(self.key_name, "") is None:
            del found[self.key_name]  # the database gives it
        return found

    @cached_property
    def _defaulted(self) -> list[tuple[str, FieldInfo]]:
        fields: dict[str, FieldInfo] = getattr(self.model, "model_fields", {})
        return [(name, field) for name, field in fields.items() if self.has(name) and not field.is_required()]

    def attributes(self, columns: tuple[str, ...]) -> list[str]:
        """Return the attributes of the columns that a database names; those that it has not are left out."""
        known: dict[str, Column[Any]] = {one.name: one for one in self.table.columns}
        return [self.mapper.get_property_by_column(known[one]).key for one in columns if one in known]


def name_of(model: type[Any]) -> str:
    """Return `line_item` of a class `LineItem`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", model.__name__).lower()
