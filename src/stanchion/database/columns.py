"""Column types that behave alike on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, String
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.types import TypeDecorator, TypeEngine

BigID = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit id. SQLite numbers rows by itself only in a column called INTEGER, which has 64 bits there."""


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

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(
                "This datetime has no time zone: use stanchion.database.now(), or datetime.now(UTC)."
            )
        value = value.astimezone(UTC)
        if dialect.name == "sqlite":
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
