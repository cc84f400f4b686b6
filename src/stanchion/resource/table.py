"""A table as a resource sees it: its key, its version, its names."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, partial
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, Field
from pydantic.fields import FieldInfo
from sqlalchemy import BigInteger, Column, ColumnElement, Table, inspect, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Mapper
from sqlalchemy.sql.schema import CallableColumnDefault

from stanchion.database.columns import python_type

_HIGHEST = 2**63 - 1
_CONSTANT = (bool, bytes, Enum, float, int, str, type(None))
"""What no row can change that was given it."""
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

    @property
    def with_article(self) -> str:
        """Return one of them, for a reader: `an invoice`."""
        return f"{'an' if self.words[0] in 'aeio' else 'a'} {self.words}"

    @cached_property
    def plural(self) -> str:
        """Return the name of many: the table's, `todos`."""
        return self.table.name

    @cached_property
    def key(self) -> ColumnElement[Any]:
        """Return the column of the primary key.

        A number in 64 bits, whatever it has: PostgreSQL refuses to look for a larger one in a column of 32,
        which only has none.
        """
        found: ColumnElement[Any] = getattr(self.model, self.key_name)
        return type_coerce(found, BigInteger()) if self.id_python is int else found

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
            return Annotated[
                int, Field(strict=True, ge=1, le=_HIGHEST, examples=[7]), BeforeValidator(_whole)
            ]
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

    def is_nullable(self, name: str) -> bool:
        """Tell whether a row can be without a value there."""
        return bool(self.mapper.column_attrs[name].columns[0].nullable)

    def check(self, schema: type[BaseModel]) -> None:
        """Raise ValueError for a schema with a field that is no column: what a client sends must be kept."""
        for name in schema.model_fields:
            if not self.has(name):
                raise ValueError(
                    f"{schema.__name__} has a field {name!r}, and {self.model.__name__} no such column: "
                    "take it out, or write the operation by hand."
                )

    def defaults(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is filled in of what is not given: by a SQLModel table, or by SQLAlchemy for the key.

        The class is not called for it, which takes longer. What else another mapped class fills in,
        SQLAlchemy does when it inserts.
        """
        found: dict[str, Any] = {}
        later = self._filled_later
        for name, constant, make in self._defaulted:
            if name not in given:
                value = constant if make is None else make()
                # None stands for nothing where the database, or SQLAlchemy, has something to fill in.
                if value is not None or name not in later:
                    found[name] = value
        if self._made_key is not None and self.key_name not in given and self.key_name not in found:
            found[self.key_name] = self._made_key(None)
        return found

    @cached_property
    def _defaulted(self) -> list[tuple[str, Any, Callable[[], Any] | None]]:
        """Return the fields that have a default: a constant, or else what makes it."""
        fields: dict[str, FieldInfo] = getattr(self.model, "model_fields", {})
        return [
            (name, field.default, _maker(field))
            for name, field in fields.items()
            if self.has(name) and not field.is_required()
        ]

    @cached_property
    def _filled_later(self) -> frozenset[str]:
        return frozenset(
            name
            for name, attribute in self.mapper.column_attrs.items()
            for column in attribute.columns[:1]
            if name == self.key_name or column.default is not None or column.server_default is not None
        )

    @cached_property
    def _made_key(self) -> Callable[[Any], Any] | None:
        """Return the function by which SQLAlchemy makes a key; called here, rows are known by it."""
        default = self.mapper.primary_key[0].default
        return default.arg if isinstance(default, CallableColumnDefault) else None

    @property
    def is_counted(self) -> bool:
        """Tell whether the database counts the keys up."""
        column = self.mapper.primary_key[0]
        return column is self.table.autoincrement_column

    def returns_ids(self, create: type[BaseModel] | None) -> bool:
        """Tell whether the id of a deleted row may come again: clients send it, or SQLite counts anew."""
        if create is not None and self.key_name in create.model_fields:
            return True
        return self.is_counted and not self.table.dialect_options["sqlite"]["autoincrement"]

    def referred(self, name: str) -> Column[Any] | None:
        """Return the column that a foreign key leads to, None where this is none."""
        keys = self.mapper.column_attrs[name].columns[0].foreign_keys
        return next(iter(keys)).column if keys else None

    @property
    def has_unique(self) -> bool:
        """Tell whether something beside the key is unique."""
        return (
            any(index.unique for index in self.table.indexes)
            or any(column.unique for column in self.table.columns)
            or any(type(one).__name__ == "UniqueConstraint" for one in self.table.constraints)
        )

    @property
    def is_referred(self) -> bool:
        """Tell whether rows of other tables may stand against a deletion."""
        return any(
            key.column.table is self.table and (key.ondelete or "").upper() not in ("CASCADE", "SET NULL")
            for table in self.table.metadata.tables.values()
            for key in table.foreign_keys
        )

    def attributes(self, columns: tuple[str, ...]) -> list[str]:
        """Return the attributes of the columns that a database names; those that it has not are left out."""
        known: dict[str, Column[Any]] = {one.name: one for one in self.table.columns}
        return [self.mapper.get_property_by_column(known[one]).key for one in columns if one in known]


def name_of(model: type[Any]) -> str:
    """Return `line_item` of a class `LineItem`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", model.__name__).lower()


def _whole(value: Any) -> Any:
    """Take 7.0 for 7: JSON has one kind of number, and JSON Schema calls both an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _maker(field: FieldInfo) -> Callable[[], Any] | None:
    """Return what makes a field's default, None for a constant.

    Pydantic looks through the signature of its factory each time.
    """
    factory: Any = field.default_factory
    if factory is None and isinstance(field.default, _CONSTANT):
        return None
    if factory is None or field.default_factory_takes_validated_data:
        return partial(field.get_default, call_default_factory=True)
    return factory  # type: ignore[no-any-return] # it takes nothing, as was just asked
