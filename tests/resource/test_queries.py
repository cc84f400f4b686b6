"""Rows as the database writes them: what Pydantic would write, for every type of column."""

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from itertools import count
from typing import Annotated, Any, Self

import jsonschema
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NaiveDatetime,
    RootModel,
    SerializerFunctionWrapHandler,
    computed_field,
    create_model,
    field_serializer,
    model_serializer,
    model_validator,
)
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, reconstructor
from sqlmodel.sql.sqltypes import AutoString

from stanchion.database import BigID, Database, UTCDateTime
from stanchion.resource.queries import ROW_ID, Queries, row_text
from stanchion.resource.shape import shape
from stanchion.resource.table import Described

pytestmark = pytest.mark.anyio

BOTH, POSTGRESQL, NEITHER = frozenset({"sqlite", "postgresql"}), frozenset({"postgresql"}), frozenset[str]()


class Ink(StrEnum):
    black = "black"
    blue = '-blue \'n "bright" \\ ünder'


class Size(Enum):
    small = 1
    large = -2


class Plain(StrEnum):
    active = "active"
    completed = "completed"


@dataclass(frozen=True)
class Case:
    """A column's type, the type of the field that shows it, and which databases write it."""

    column: Any
    field: Any
    values: st.SearchStrategy[Any]
    written_by: frozenset[str]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
MOMENTS = st.datetimes(timezones=st.just(UTC)) | st.datetimes(timezones=st.just(UTC)).map(
    lambda one: one.replace(microsecond=0)
)
BIG = st.integers(-(2**63), 2**63 - 1)
CASES = {
    "int": Case(sa.BigInteger(), int, BIG, BOTH),
    "small": Case(sa.SmallInteger(), int, st.integers(-(2**15), 2**15 - 1), BOTH),
    "bool": Case(sa.Boolean(), bool, st.booleans(), BOTH),
    "str": Case(sa.String(), str, TEXTS, BOTH),
    "text": Case(sa.Text(), str, TEXTS, BOTH),
    "sqlmodel": Case(AutoString(), str, TEXTS, BOTH),
    "enum": Case(sa.Enum(Ink, native_enum=False), Ink, st.sampled_from(Ink), BOTH),
    "native_enum": Case(sa.Enum(Plain, name="plain"), Plain, st.sampled_from(Plain), BOTH),
    "enum_of_numbers": Case(sa.Enum(Size, native_enum=False), Size, st.sampled_from(Size), BOTH),
    "enum_of_values": Case(
        sa.Enum(Ink, native_enum=False, values_callable=lambda kind: [one.value for one in kind]),
        Ink,
        st.sampled_from(Ink),
        BOTH,
    ),
    "moment": Case(UTCDateTime(), AwareDatetime, MOMENTS, BOTH),
    "datetime": Case(UTCDateTime(), datetime, MOMENTS, BOTH),
    "date": Case(sa.Date(), date, st.dates(), BOTH),
    "uuid": Case(sa.Uuid(), uuid.UUID, st.uuids(), BOTH),
    "decimal": Case(sa.Numeric(20, 4), Decimal, st.decimals(-(10**15), 10**15, places=4), POSTGRESQL),
    "float": Case(sa.Double(), float, st.floats(), POSTGRESQL),
    "any_float": Case(sa.Float(), float, st.floats(allow_nan=False, allow_infinity=False), POSTGRESQL),
    "unscaled": Case(sa.Numeric(), Decimal, st.decimals(-(10**9), 10**9, places=2), NEITHER),
    "time": Case(sa.Time(), time, st.times(), NEITHER),
    "timedelta": Case(
        sa.Interval(), timedelta, st.timedeltas(timedelta(days=-9999), timedelta(days=9999)), NEITHER
    ),
    "naive": Case(sa.DateTime(), datetime, st.datetimes(), NEITHER),
    "bytes": Case(sa.LargeBinary(), bytes, TEXTS.map(str.encode), NEITHER),
    "json": Case(sa.JSON(), Any, st.lists(TEXTS | st.booleans() | st.none() | BIG), NEITHER),
    "array": Case(ARRAY(sa.Integer()), list[int], st.lists(st.integers(0, 9)), NEITHER),
    "short": Case(sa.String(), Annotated[str, Field(max_length=10**6)], TEXTS, NEITHER),
    "lower": Case(sa.String(), Annotated[str, AfterValidator(str.lower)], TEXTS, NEITHER),
    "int_as_str": Case(sa.String(), int, BIG.map(str), NEITHER),
    "enum_as_str": Case(sa.String(), Plain, st.sampled_from(["active", "completed"]), NEITHER),
}
_TABLES: dict[str, tuple[Any, type[BaseModel]]] = {}


def declared(name: str) -> tuple[Any, type[BaseModel]]:
    """Return a table with a column of the type, with and without NULL, and the response that shows both."""
    if name not in _TABLES:
        case = CASES[name]
        base: Any = type("Base", (DeclarativeBase,), {})
        columns = {
            "__tablename__": f"typed_{name}",
            "id": mapped_column(BigID, primary_key=True),
            "value": mapped_column(case.column, nullable=False),
            "other": mapped_column(case.column, nullable=True),
            "__annotations__": {"id": Mapped[int], "value": Mapped[Any], "other": Mapped[Any]},
        }
        response = create_model(
            f"Response_{name}",
            __config__=ConfigDict(from_attributes=True),
            id=(int, ...),
            value=(case.field, ...),
            other=(case.field | None, Field(None, serialization_alias='Ot"her')),
        )
        _TABLES[name] = type(f"Typed_{name}", (base,), columns), response
    return _TABLES[name]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


NUMBERS = count(1)


@pytest.mark.usefixtures("logged")
@pytest.mark.parametrize("name", list(CASES))
@settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_it_writes_what_pydantic_would(database: Database, name: str, data: st.DataObject) -> None:
    case, (model, response) = CASES[name], declared(name)
    queries = Queries(Described(model, name), response, database.direct.dialect, owner="", deleted_at="")
    ready = queries.one(nobodys=False)
    assert (ready is not None) == (database.url.get_backend_name() in case.written_by)
    if ready is None:
        return
    drawn = data.draw(st.lists(st.tuples(case.values, st.none() | case.values), max_size=20))
    rows = [model(id=next(NUMBERS), value=value, other=other) for value, other in drawn]
    async with database.engine.begin() as connection:
        await connection.run_sync(model.metadata.create_all)
    async with database.transaction() as session:
        session.add_all(rows)
    async with database.read() as session:
        kept = (await session.scalars(select(model).where(model.id.in_([one.id for one in rows])))).all()
    assert len(kept) == len(rows)
    schema = response.model_json_schema(mode="serialization", by_alias=True)
    for number, row in enumerate(kept):
        expected = json.loads(response.model_validate(row).model_dump_json(by_alias=True))
        fetched = await database.direct.fetch(ready, {ROW_ID: row.id}, is_short=number % 2 == 0)
        assert fetched is not None
        found = json.loads(fetched[0][0])
        assert found == expected
        if None not in (found["value"], found['Ot"her']):  # Pydantic makes null of NaN, whatever the schema
            jsonschema.validate(found, schema)


async def test_an_infinite_moment_and_a_nan_are_left_to_pydantic(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    for name, kept in (("moment", "infinity"), ("date", "-infinity"), ("decimal", "NaN")):
        model, response = declared(name)
        async with database.engine.begin() as connection:
            await connection.run_sync(model.metadata.create_all)
            await connection.execute(sa.text(f"INSERT INTO typed_{name} (id, value) VALUES (1, '{kept}')"))
        queries = Queries(Described(model, name), response, database.direct.dialect, owner="", deleted_at="")
        ready = queries.one(nobodys=False)
        assert ready is not None
        assert [tuple(row) for row in await database.direct.fetch(ready, {ROW_ID: 1}) or ()] == [(None,)]
    await database.close()


async def test_what_another_hand_has_written_is_left_to_pydantic(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    for name, kept in (
        ("moment", "2026-01-31 09:30:00"),
        ("date", "31.1.2026"),
        ("uuid", "0b3a6d0c"),
        ("bool", "7"),
        ("enum", "red"),
        ("native_enum", 'act"ive'),
        ("enum_of_values", "blue"),
        ("int", '1,"admin": 1'),
    ):
        model, response = declared(name)
        async with database.engine.begin() as connection:
            await connection.run_sync(model.metadata.create_all)
            await connection.execute(sa.text(f"INSERT INTO typed_{name} (id, value) VALUES (1, '{kept}')"))
        queries = Queries(Described(model, name), response, database.direct.dialect, owner="", deleted_at="")
        ready = queries.one(nobodys=False)
        assert ready is not None
        for is_short in (True, False):
            assert await database.direct.fetch(ready, {ROW_ID: 1}, is_short=is_short) == [(None,)]
    await database.close()


def test_a_class_that_narrows_its_rows_or_changes_them() -> None:
    class Declared(DeclarativeBase): ...

    class Animal(Declared):
        __tablename__ = "queried_animals"
        __mapper_args__ = {"polymorphic_on": "kind"}  # noqa: RUF012 - SQLAlchemy declares it as one of an instance
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str]

    class Cat(Animal):
        __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012 - as above

    class Woken(Declared):
        __tablename__ = "queried_sleepers"
        id: Mapped[int] = mapped_column(primary_key=True)

        @reconstructor
        def wake(self) -> None:
            self.id += 1

    for model in (Animal, Cat, Woken):
        assert row_text(Described(model, "one"), Base, "sqlite") is None


class Base(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int


class Computing(Base):
    @computed_field
    def twice(self) -> int:
        return 2 * self.id


class Checking(Base):
    @model_validator(mode="after")
    def check(self) -> Self:
        return self


class Serializing(Base):
    @field_serializer("id")
    def as_text(self, value: int) -> str:
        return str(value)


class Wrapping(Base):
    @model_serializer(mode="wrap")
    def wrapped(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"data": handler(self)}


class Stripping(Base):
    model_config = ConfigDict(str_strip_whitespace=True)


class Reading(Base):
    id: int = Field(validation_alias="number")


class Hiding(Base):
    id: int = Field(exclude_if=lambda value: value > 1)


class Rooted(RootModel[dict[str, Any]]):
    pass


class Open(Base):
    model_config = ConfigDict(extra="allow")


class Limited(Base):
    id: int = Field(ge=1)


class Strictly(Base):
    at: NaiveDatetime


@pytest.mark.parametrize(
    "response",
    [Computing, Checking, Serializing, Wrapping, Stripping, Reading, Hiding, Rooted, Open, Limited, Strictly],
)
def test_what_pydantic_alone_knows(response: type[BaseModel]) -> None:
    assert shape(response) is None


def test_the_fields_of_a_response() -> None:
    class Shown(Base):
        name: str = Field("", alias_priority=2, serialization_alias="Name")
        secret: str = Field("", exclude=True)
        ink: Ink | None = None

    fields = shape(Shown)
    assert fields is not None
    assert [(one.attribute, one.name, one.kind, one.nullable) for one in fields] == [
        ("id", "id", "int", False),
        ("name", "Name", "str", False),
        ("ink", "ink", "enum", True),
    ]
