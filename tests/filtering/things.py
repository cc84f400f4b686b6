"""A table with a column of each kind, and the filters of all that can have some."""

import uuid
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Double,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    SmallInteger,
    String,
    Time,
    Uuid,
    types,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from stanchion.database import BigID, UTCDateTime
from stanchion.filtering import Filters
from stanchion.pagination import Page

# A server's own collation may order texts as a dictionary does.
BY_CODE_POINT = String().with_variant(String(collation="C"), "postgresql")


class Colour(StrEnum):
    red = "red"
    dark_red = "dark red"
    blue = "blue"


class Level(IntEnum):
    low = 1
    high = 2


class Size(Enum):
    small = 1
    large = 2


class Base(DeclarativeBase): ...


class Thing(Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(BigID, primary_key=True)
    title: Mapped[str | None] = mapped_column(BY_CODE_POINT)
    name: Mapped[str | None] = mapped_column("called", BY_CODE_POINT)
    tiny: Mapped[int | None] = mapped_column(SmallInteger)
    rank: Mapped[int | None] = mapped_column(Integer)
    big: Mapped[int | None] = mapped_column(BigInteger)
    weight: Mapped[float | None] = mapped_column(Double)
    price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    done: Mapped[bool | None] = mapped_column(Boolean)
    colour: Mapped[Colour | None] = mapped_column(types.Enum(Colour, native_enum=False))
    level: Mapped[Level | None] = mapped_column(types.Enum(Level, name="level"))
    size: Mapped[Size | None] = mapped_column(types.Enum(Size, name="size"))
    shape: Mapped[str | None] = mapped_column(types.Enum("round", "square", name="shape"))
    token: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    code: Mapped[str | None] = mapped_column(Uuid(as_uuid=False))
    at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    local: Mapped[datetime | None] = mapped_column(DateTime)
    day: Mapped[date | None]
    hour: Mapped[time | None]
    data: Mapped[Any] = mapped_column(JSON, nullable=True)
    blob: Mapped[bytes | None] = mapped_column(LargeBinary)
    span: Mapped[Any] = mapped_column(Interval, nullable=True)
    zoned: Mapped[time | None] = mapped_column(Time(timezone=True))


UNLIKE = ("data", "blob", "span", "zoned")
"""The columns that have no filters."""
LIKE = [name for name in Thing.__mapper__.columns.keys() if name not in UNLIKE]  # noqa: SIM118 - no dict

filters = Filters(Thing, LIKE)
ThingQuery = filters.query(Page, "ThingQuery")
