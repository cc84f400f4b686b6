"""Column types that behave alike on SQLite and PostgreSQL."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import BigInteger, Dialect, Double, Enum, Float, Integer, Numeric, String
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine, UserDefinedType

BigID = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit id. SQLite numbers rows by itself only in a column called INTEGER, which has 64 bits there."""


class XID8(UserDefinedType[int]):
    """The number of a transaction on PostgreSQL, which SQLAlchemy does not know."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


TransactionID = XID8().with_variant(BigInteger(), "sqlite")
"""The number of the transaction that wrote a row, where the database has one."""
ischema_names["xid8"] = XID8  # so that a table with such a column is reflected without a warning


def python_type(kind: TypeEngine[Any]) -> type[Any]:
    """Return what a column's values are in Python: `datetime`, or the class of an Enum.

    Raises TypeError for a type that does not say, such as JSON.
    """
    if isinstance(kind, Enum) and kind.enum_class is not None:
        return kind.enum_class
    try:
        found = kind.python_type
        if found is object and isinstance(kind, TypeDecorator):
            found = kind.impl_instance.python_type
    except NotImplementedError:
        found = object
    if found in (object, dict, list, bytes):
        raise TypeError(f"{kind!r} has no values that can be compared.")
    return found


def now() -> datetime:
    """Return the time in UTC, to the microsecond, the finest that both databases keep."""
    return datetime.now(UTC)


class UTCDateTime(TypeDecorator[datetime]):
    """A moment, aware and in UTC, whatever zone it came in and whichever database keeps it.

    PostgreSQL keeps `timestamptz`. SQLite has no such type: it keeps RFC 3339 text of a
    fixed width (`2026-01-31T09:30:00.000000Z`), whose order is the order of time.
    A naive datetime is refused with ValueError: its zone would be a guess.
    """

    impl = TIMESTAMP(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(TIMESTAMP(timezone=True))

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """Return what is called for each value: one function, where TypeDecorator has two."""
        own = type(self).process_bind_param is UTCDateTime.process_bind_param
        if not own or self.impl_instance.bind_processor(dialect) is not None:
            return super().bind_processor(dialect)
        if dialect.name == "sqlite":
            return partial(self.process_bind_param, dialect=dialect)
        return _in_utc

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        value = _in_utc(value)
        if value is not None and dialect.name == "sqlite":
            return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")
        return value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        moment: datetime = value
        # asyncpg keeps the first and the last moment as infinities, and gives them back naive.
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _in_utc(value: datetime | None) -> datetime | None:
    if value is None or value.tzinfo is UTC:
        return value
    if value.tzinfo is None:
        raise ValueError(
            "This datetime has no time zone: use stanchion.database.now(), or datetime.now(UTC)."
        )
    return value.astimezone(UTC)


class Kept(TypeDecorator[Any]):
    """A column's values as its database keeps them, so that they can be compared with the column again.

    Types round what they read, and write what was read in one form: of 0.333 in a Numeric(10, 2) SQLite
    keeps every digit, and a moment of its own CURRENT_TIMESTAMP has no fraction of a second. There a value
    comes and goes as it is, an int, a float or a text. PostgreSQL keeps what the column's type says, and is
    asked for numbers in full.
    """

    impl = NullType
    cache_ok = True

    def __init__(self, declared: TypeEngine[Any]) -> None:
        super().__init__()
        self.declared = declared

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(NullType())
        match self.declared:
            case Float():
                return Double()
            case Numeric():
                return Numeric()
        return self.declared
