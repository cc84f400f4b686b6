"""What may be sent as a column's value: of its type, and such that both databases can compare with it."""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, NaiveDatetime, WithJsonSchema
from sqlalchemy import types

from stanchion.schemas import Text

_MOST_DIGITS = 38
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_LOST_PLUS = re.compile(r"^(\S{10}[Tt ]\d\d:\d\d\S*) (\d\d(:?\d\d)?)$")


def stored_type(type_: types.TypeEngine[Any]) -> types.TypeEngine[Any]:
    """Return the type of SQL that is below those that decorate it."""
    while isinstance(type_, types.TypeDecorator):
        type_ = type_.impl_instance
    return type_


def value_type(declared: types.TypeEngine[Any]) -> Any:
    """Return the Pydantic type of the values of a column; None for a column that is not compared."""
    type_ = stored_type(declared)
    if not _are_alike(declared, type_):
        return None
    match type_:
        case types.Boolean():
            return bool
        case types.Enum():
            return _choice(type_)
        case types.Uuid():
            return UUID
        case types.Integer():
            return _integer(type_)
        case types.Float():
            return Annotated[float, Field(allow_inf_nan=False)]
        case types.Numeric():
            return Annotated[Decimal, Field(max_digits=_MOST_DIGITS, allow_inf_nan=False)]
        case types.DateTime():
            return _Moment if type_.timezone else _LocalMoment
        case types.Date():
            return _Day
        case types.Time() if not type_.timezone:
            return _TimeOfDay
        case types.String():
            return Text
    return None


def manner(declared: types.TypeEngine[Any]) -> str:
    """Return, in words, how a column's values are written where clients tend to write them otherwise."""
    type_ = stored_type(declared)
    if isinstance(type_, types.DateTime) and type_.timezone:
        return " Write a moment with its offset, like `2026-01-31T12:00:00Z`."
    return ""


def _are_alike(declared: types.TypeEngine[Any], stored: types.TypeEngine[Any]) -> bool:
    """Tell whether a type has the values of the one that it decorates: Interval says that it has others."""
    return declared.python_type in (object, stored.python_type)


def _choice(type_: types.Enum) -> Any:
    if type_.enum_class is None:
        return Literal[tuple(type_.enums)]
    members: dict[str, Enum] = {str(member.value): member for member in type_.enum_class}
    # A query is text, also where the members' values are numbers.
    read = BeforeValidator(lambda value: members.get(value, value) if isinstance(value, str) else value)
    return Annotated[type_.enum_class, read]


def _integer(type_: types.Integer) -> Any:
    """Return what PostgreSQL can keep there: SQLite's integers have 64 bits whatever they are called."""
    bits = {types.SmallInteger: 16, types.BigInteger: 64}
    size = next((size for kind, size in bits.items() if isinstance(type_, kind)), 32)
    return Annotated[int, Field(ge=-(2 ** (size - 1)), le=2 ** (size - 1) - 1)]


def _with_day(value: Any) -> Any:
    """Refuse a bare number: Pydantic would take it for seconds, or milliseconds, since 1970."""
    if isinstance(value, str) and not _DAY.match(value):
        raise ValueError("Begin with the day, as in 2026-01-31.")
    return value


def _with_plus(value: Any) -> Any:
    """Put the plus of an offset back: a blank is what a URL reads it as."""
    return _LOST_PLUS.sub(r"\1+\2", value) if isinstance(value, str) else value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("In UTC this is not within the years 1 to 9999.") from None


def _with_colon(value: Any) -> Any:
    """Refuse a bare number: Pydantic would take it for seconds since midnight."""
    if isinstance(value, str) and ":" not in value:
        raise ValueError("Write it as in 09:30:00.")
    return value


def _without_offset(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("Write it without an offset.")
    return value


def _written(pattern: str, example: str) -> WithJsonSchema:
    """Document a form that has no name: the formats of RFC 3339 with a time, 5.6, want an offset."""
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


_Day = Annotated[date, BeforeValidator(_with_day)]
_Moment = Annotated[
    AwareDatetime, BeforeValidator(_with_plus), BeforeValidator(_with_day), AfterValidator(_in_utc)
]
_LocalMoment = Annotated[
    NaiveDatetime,
    BeforeValidator(_with_day),
    _written(r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?$", "2026-01-31T09:30:00"),
]
_TimeOfDay = Annotated[
    time,
    BeforeValidator(_with_colon),
    AfterValidator(_without_offset),
    _written(r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$", "09:30:00"),
]
