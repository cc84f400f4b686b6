"""Rows as JSON, made by the database: the text that Pydantic would write, column by column.

Where a value has another text than Pydantic's (an infinite moment, a NaN), or none that is known here, the
row's text is NULL: then whoever asked reads the row, and lets Pydantic write it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    Double,
    Enum,
    Float,
    Integer,
    Numeric,
    SmallInteger,
    String,
    Text,
    Unicode,
    UnicodeText,
    Uuid,
    case,
    cast,
    func,
    literal_column,
    type_coerce,
)
from sqlalchemy.types import TypeEngine
from sqlmodel.sql.sqltypes import AutoString

from stanchion.database.columns import UTCDateTime

Encoder = Callable[[Column[Any]], ColumnElement[str]]

_INTEGERS = (BigInteger, Integer, SmallInteger)
_TEXTS = (String, Text, Unicode, UnicodeText, AutoString)
_MOST_PLACES = 6
"""Digits after the point with which a Decimal never writes an exponent."""


def encoded(column: Column[Any], kind: str, dialect: str) -> ColumnElement[str] | None:
    """Return a column's value as JSON text, for a field of this kind; None where Pydantic has to write it.

    `kind` is the type of the field as Pydantic's core calls it, `int`, `str`, `datetime`; where the column
    has values of another, Pydantic converts or refuses them. NULL is `null`.
    """
    encoders = _SQLITE if dialect == "sqlite" else _POSTGRESQL
    encode = encoders.get(_kind(column.type))
    if encode is None or _kind(column.type) != kind:
        return None
    text = encode(column)
    return case((column.is_(None), _constant("null")), else_=text) if column.nullable else text


def as_object(fields: Mapping[str, ColumnElement[str]]) -> ColumnElement[str]:
    """Return one JSON object of texts by their names; NULL where one of them is."""
    parts: list[ColumnElement[str]] = []
    opening = "{"
    for name, text in fields.items():
        parts += [_constant(f"{opening}{json.dumps(name, ensure_ascii=False)}:"), text]
        opening = ","
    return _joined([*parts, _constant("}")])


def insisted(text: ColumnElement[str], key: ColumnElement[Any], dialect: str) -> ColumnElement[str]:
    """Return a row's text; where that is NULL, the database refuses the statement, and says of which row.

    It does so by reading JSON of what is none, which names the key: of a constant it would be done for
    every row, when the statement is planned.
    """
    complaint = _joined([_constant("there is no text of row "), cast(key, Text)])
    refused = func.json(complaint) if dialect == "sqlite" else cast(cast(complaint, JSON), Text)
    return func.coalesce(text, refused)


def _kind(kind: TypeEngine[Any]) -> str:
    """Return what a column's values are, where that is known for sure: of a type's own subclass it is not."""
    match kind:
        case Enum():
            return "enum" if _is_plain(kind) else ""
        case UTCDateTime():
            return "datetime"
        case Uuid() if kind.as_uuid:
            return "uuid"
        case Numeric() if type(kind) is Numeric and kind.asdecimal and kind.scale in range(_MOST_PLACES + 1):
            return "decimal"
        case Float() if type(kind) in (Float, Double) and not kind.asdecimal:
            return "float"
    exact = type(kind)
    if exact in _INTEGERS:
        return "int"
    if exact in _TEXTS:
        return "str"
    return {Boolean: "bool", Date: "date"}.get(exact, "")


def _is_plain(kind: Enum) -> bool:
    """Tell whether an Enum keeps one text for each member of a class, whose values are texts or numbers."""
    members = kind.enum_class.__members__.values() if kind.enum_class else ()
    return len(kind.enums) == len(members) > 0 and all(type(one.value) in (str, int) for one in members)


def _constant(text: str) -> ColumnElement[str]:
    quoted = text.replace("'", "''")
    return literal_column(f"'{quoted}'", Text())


def _joined(parts: Sequence[ColumnElement[str]]) -> ColumnElement[str]:
    first, *rest = parts
    for part in rest:
        first = first.op("||", return_type=Text())(part)
    return first


def _in_quotes(text: ColumnElement[Any]) -> ColumnElement[str]:
    return _joined([_constant('"'), text, _constant('"')])


def _text(column: Column[Any]) -> ColumnElement[str]:
    return cast(column, Text)


def _enum(column: Column[Any]) -> ColumnElement[str]:
    """Write the value of each name that is kept; of another, which nobody keeps it from holding, NULL."""
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in _members(column.type)}
    return case(*((_text(column) == _constant(name), _constant(text)) for name, text in texts.items()))


def _members(kind: TypeEngine[Any]) -> list[tuple[str, Any]]:
    """Return what an Enum keeps of each member, and the member's value."""
    assert isinstance(kind, Enum)
    assert kind.enum_class is not None
    members = kind.enum_class.__members__.values()
    return [(name, member.value) for name, member in zip(kind.enums, members, strict=True)]


def _finite(column: Column[Any]) -> ColumnElement[str]:
    """Write a float; of those that JSON has not, Pydantic makes null."""
    wide = cast(column, Double)
    others: list[ColumnElement[Any]] = [
        literal_column(f"'{one}'::float8") for one in ("NaN", "Infinity", "-Infinity")
    ]
    return case((wide.in_(others), _constant("null")), else_=cast(wide, Text))


def _number(column: Column[Any]) -> ColumnElement[str]:
    """Write a Decimal with the digits of its column; Pydantic refuses what is no number."""
    return case((column != literal_column("'NaN'::numeric"), _in_quotes(_text(column))))


def _moment(column: Column[Any]) -> ColumnElement[str]:
    """Write RFC 3339, with six digits of a second or none, as Pydantic does. An infinite one is NULL."""
    utc = column.op("AT TIME ZONE")(literal_column("INTERVAL '0'"))
    text = func.to_char(utc, _constant('YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    written = func.replace(text, _constant(".000000Z"), _constant("Z"))
    return case((func.isfinite(column), _in_quotes(written)))


def _day(column: Column[Any]) -> ColumnElement[str]:
    return case((func.isfinite(column), _in_quotes(func.to_char(column, _constant("YYYY-MM-DD")))))


def _kept_moment(column: Column[Any]) -> ColumnElement[str]:
    kept = type_coerce(column, Text)
    whole = func.replace(kept, _constant(".000000Z"), _constant("Z"))
    return case((kept.op("GLOB")(_constant("????-??-??T??:??:??.??????Z")), _in_quotes(whole)))


def _kept_day(column: Column[Any]) -> ColumnElement[str]:
    kept = type_coerce(column, Text)
    return case((kept.op("GLOB")(_constant("????-??-??")), _in_quotes(kept)))


def _kept_uuid(column: Column[Any]) -> ColumnElement[str]:
    """Write 32 digits in five groups."""
    kept = func.lower(type_coerce(column, Text))
    places = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
    groups = [func.substr(kept, literal_column(str(at)), literal_column(str(size))) for at, size in places]
    text = _joined([part for group in groups for part in (_constant("-"), group)][1:])
    return case((func.length(kept) == literal_column("32"), _in_quotes(text)))


def _kept_int(column: Column[Any]) -> ColumnElement[str]:
    """Write an integer; SQLite keeps any text in such a column, too."""
    return case((func.typeof(type_coerce(column, Integer)) == _constant("integer"), _text(column)))


def _kept_bool(column: Column[Any]) -> ColumnElement[str]:
    kept = type_coerce(column, Integer)
    one: ColumnElement[int] = literal_column("1")
    zero: ColumnElement[int] = literal_column("0")
    return case((kept == one, _constant("true")), (kept == zero, _constant("false")))


_POSTGRESQL: dict[str, Encoder] = {
    "int": _text,
    "bool": _text,
    "str": lambda column: cast(func.to_json(column), Text),
    "enum": _enum,
    "datetime": _moment,
    "date": _day,
    "uuid": lambda column: _in_quotes(_text(column)),
    "decimal": _number,
    "float": _finite,
}
_SQLITE: dict[str, Encoder] = {
    "int": _kept_int,
    "bool": _kept_bool,
    "str": lambda column: func.json_quote(column),
    "enum": _enum,
    "datetime": _kept_moment,
    "date": _kept_day,
    "uuid": _kept_uuid,
}
"""Not `float` and `decimal`: SQLite makes 0.3 of 0.30000000000000004, and keeps a Decimal as a float."""
