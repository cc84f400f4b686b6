"""The order of a list: what a client may sort by, and the total order that it becomes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, WithJsonSchema, create_model
from pydantic_core import PydanticCustomError, to_jsonable_python
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Float,
    Numeric,
    and_,
    false,
    inspect,
    literal,
    or_,
    tuple_,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute, Mapper

from stanchion.database.columns import Kept, python_type

_MOST_ORDERS = 1000
"""That are kept of one list: of many columns there are many orders."""
_LONGEST_KEPT = 200
"""Characters of an order that is kept: a client may send any number, which memory would hold."""
_AnyDecimal = Annotated[Decimal, Field(allow_inf_nan=True)]


@dataclass(frozen=True, slots=True)
class Key:
    """One column that rows are sorted by. A missing value is the largest, on both databases."""

    name: str
    column: InstrumentedAttribute[Any]
    kept: ColumnElement[Any]
    """Its values as the database keeps them, under a name that no model has."""
    adapter: TypeAdapter[Any]
    """What reads them from JSON, where the database does not give them as JSON has them."""
    descending: bool = False

    @classmethod
    def of(cls, model: type[Any], name: str) -> Key:
        """Return a column by its name. Raises TypeError for one whose values have no order."""
        attribute: InstrumentedAttribute[Any] = getattr(model, name)
        column = _column(attribute)
        python: Any = python_type(column.type)
        if isinstance(column.type, Numeric):
            python = float if isinstance(column.type, Float) else _AnyDecimal
        return cls(
            name,
            attribute,
            type_coerce(attribute, Kept(column.type)).label(f"kept__{name}"),
            TypeAdapter(python | None if column.nullable else python),
        )

    @property
    def kind(self) -> type[Any]:
        """Return the type of its values."""
        return python_type(_column(self.column).type)

    @property
    def nullable(self) -> bool:
        """Tell whether a row may have no value."""
        return bool(_column(self.column).nullable)

    @property
    def clause(self) -> ColumnElement[Any]:
        """Return its part of ORDER BY. Where it may be NULL, PostgreSQL's own place for that is named."""
        ordered = self.column.desc() if self.descending else self.column.asc()
        if not self.nullable:
            return ordered
        return ordered.nulls_first() if self.descending else ordered.nulls_last()

    def bound(self, value: Any) -> ColumnElement[Any]:
        """Return a value that `kept` gave, or what stands for one, to be compared with the column."""
        return value if isinstance(value, BindParameter) else literal(value, self.kept.type)

    def same(self, value: Any) -> ColumnElement[bool]:
        """Return the condition of rows with this value."""
        return self.column.is_(None) if value is None else self.column == self.bound(value)

    def after(self, value: Any) -> ColumnElement[bool]:
        """Return the condition of rows that come after this value."""
        if value is None:
            return self.column.is_not(None) if self.descending else false()
        if self.descending:
            return self.column < self.bound(value)
        larger = self.column > self.bound(value)
        return or_(larger, self.column.is_(None)) if self.nullable else larger


@dataclass(frozen=True, slots=True)
class Order:
    """A total order of a table's rows: its last key is the primary key."""

    keys: tuple[Key, ...]

    @property
    def text(self) -> str:
        """Return it as `sort` has it: `-created_at,id`."""
        return ",".join(f"-{key.name}" if key.descending else key.name for key in self.keys)

    @property
    def clauses(self) -> tuple[ColumnElement[Any], ...]:
        """Return what ORDER BY wants."""
        return tuple(key.clause for key in self.keys)

    def reversed(self) -> Order:
        """Return the order from the end to the start."""
        return Order(tuple(replace(key, descending=not key.descending) for key in self.keys))

    @property
    def kept(self) -> tuple[ColumnElement[Any], ...]:
        """Return the columns that a row's place is read from: its values as the database keeps them."""
        return tuple(key.kept for key in self.keys)

    def written(self, place: Sequence[Any]) -> list[Any]:
        """Return a place as JSON."""
        return [to_jsonable_python(value) for value in place]

    def read(self, values: Sequence[Any], dialect: str) -> list[Any]:
        """Return the place that was written so. Raises ValueError for one that is of another order."""
        if len(values) != len(self.keys):
            raise ValueError("this place has other columns")
        if dialect == "sqlite":  # what it keeps is what JSON has
            return list(values)
        return [key.adapter.validate_python(value) for key, value in zip(self.keys, values, strict=True)]

    def after(self, values: Sequence[Any]) -> ColumnElement[bool]:
        """Return the condition of rows that come after this place.

        Where all keys go one way and none may be NULL it is one comparison of rows, `(a, b) > (x, y)`,
        which both databases answer from an index. Else it is spelt out.
        """
        directions = {key.descending for key in self.keys}
        if len(directions) == 1 and not any(key.nullable for key in self.keys):
            row = tuple_(*(key.column for key in self.keys))
            place = tuple_(*(key.bound(value) for key, value in zip(self.keys, values, strict=True)))
            return row < place if directions.pop() else row > place
        cases = []
        for number, (key, value) in enumerate(zip(self.keys, values, strict=True)):
            same = (one.same(other) for one, other in zip(self.keys[:number], values, strict=False))
            cases.append(and_(*same, key.after(value)))
        first, value = self.keys[0], values[0]
        return and_(or_(first.after(value), first.same(value)), or_(*cases))


class Sorting:
    """What a list may be sorted by: `Sorting(Todo, ["created_at", "title"])`.

    Where a client asks for no order it is `default`, else by primary key. Raises ValueError for a name that
    is no column, for a default that is not among the fields, and for a table whose primary key has several
    columns; TypeError for a column whose values have no order.
    """

    def __init__(self, model: type[Any], fields: Iterable[str] = (), default: str = "") -> None:
        mapper: Mapper[Any] = inspect(model)
        if len(mapper.primary_key) != 1:
            raise ValueError(
                f"{model.__name__} has a primary key of several columns: it cannot end an order."
            )
        self._primary = Key.of(model, mapper.get_property_by_column(mapper.primary_key[0]).key)
        self._keys = {self._primary.name: self._primary}
        for name in fields:
            if name not in mapper.column_attrs:
                raise ValueError(f"{model.__name__} has no column {name!r} to sort by.")
            self._keys[name] = Key.of(model, name)
        self.default = self._primary.name
        self.default = self._order(default).text
        self._kept = lru_cache(_MOST_ORDERS)(self._order)

    @property
    def names(self) -> tuple[str, ...]:
        """Return what may be sorted by."""
        return tuple(self._keys)

    def query(self, base: type[BaseModel], name: str) -> type[BaseModel]:
        """Return `base`, a model of query parameters, with `sort` added."""
        one = f"-?({'|'.join(map(re.escape, self._keys))})"
        description = (
            f"Columns, separated by commas; a minus turns one around. One of {', '.join(self._keys)}. "
            f"{self._primary.name} ends every order, so that it is total; a missing value is the largest. "
            f"Without it: {self.default}."
        )
        shape = WithJsonSchema({"type": "string", "pattern": f"^({one}(,{one})*)?$"})
        field = Field("", description=description, examples=[""])
        return create_model(
            name, __base__=base, sort=(Annotated[str, AfterValidator(self._checked), shape], field)
        )

    def _checked(self, text: str) -> str:
        for part in text.split(",") if text else ():
            if part.removeprefix("-") not in self._keys:
                raise PydanticCustomError(
                    "unknown_sort",
                    "Cannot be sorted by '{name}': name one of {names}",
                    {"name": part.removeprefix("-"), "names": ", ".join(self._keys)},
                )
        return text

    def order(self, text: str = "") -> Order:
        """Return the order that `-created_at,title` stands for, with the primary key at its end.

        Nothing stands for the default. A column that is named again changes nothing. Raises ValueError for
        one that is not declared.
        """
        return self._kept(text) if len(text) <= _LONGEST_KEPT else self._order(text)

    def _order(self, text: str) -> Order:
        found: dict[str, Key] = {}
        for part in filter(None, (text or self.default).split(",")):
            name = part.removeprefix("-")
            if name not in self._keys:
                raise ValueError(f"cannot be sorted by {name!r}: name {', '.join(self._keys)}")
            if self._primary.name not in found:  # after it nothing can decide any more
                found.setdefault(name, replace(self._keys[name], descending=part.startswith("-")))
        keys = tuple(found.values())
        if self._primary.name not in found:
            # In the direction of the last: one index serves both.
            keys = (*keys, replace(self._primary, descending=bool(keys) and keys[-1].descending))
        return Order(keys)


def _column(attribute: InstrumentedAttribute[Any]) -> Any:
    return attribute.property.columns[0]
