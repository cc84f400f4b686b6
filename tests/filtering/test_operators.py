"""Each operator on both databases, alone and, by Hypothesis, together: SQL answers as Python does."""

import uuid
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from operator import contains, eq, ge, gt, le, lt
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.filtering.things import LIKE, Base, Colour, Level, Size, Thing, ThingQuery, filters

from stanchion.database import Database

pytestmark = pytest.mark.anyio

Row = dict[str, Any]

EMPTY: Row = dict.fromkeys(Thing.__mapper__.columns.keys())
TOKENS = [uuid.UUID(int=1), uuid.UUID(int=2**128 - 1)]
ROWS: list[Row] = [
    {
        "title": "Milk 100%",
        "name": "Anna",
        "tiny": 1,
        "rank": 2**31 - 1,
        "big": 2**63 - 1,
        "weight": 0.5,
        "price": Decimal("1.23"),
        "done": True,
        "colour": Colour.dark_red,
        "level": Level.low,
        "size": Size.small,
        "shape": "round",
        "token": TOKENS[0],
        "code": str(TOKENS[1]),
        "at": datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
        "local": datetime(2026, 1, 31, 9, 30),
        "day": date(2026, 1, 31),
        "hour": time(9, 30),
    },
    {
        "title": "milk_10",
        "name": "",
        "tiny": -(2**15),
        "rank": 0,
        "big": -(2**63),
        "weight": 1e300,
        "price": Decimal("-99999999.99"),
        "done": False,
        "colour": Colour.red,
        "level": Level.high,
        "size": Size.large,
        "shape": "square",
        "token": TOKENS[1],
        "code": str(TOKENS[0]),
        "at": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        "local": datetime(1, 1, 1),
        "day": date(9999, 12, 31),
        "hour": time(23, 59, 59, 999999),
    },
    {},
]


ANSWERS: list[tuple[dict[str, str], list[int]]] = [
    ({"id": "1"}, [1]),
    ({"id__gte": "1"}, [1, 2]),
    ({"title": "milk_10"}, [1]),
    ({"title__eq": "MILK_10"}, []),
    ({"title__ne": "milk_10"}, [0, 2]),
    ({"title__in": "milk_10,Milk 100%,x"}, [0, 1]),
    ({"title__isnull": "true"}, [2]),
    ({"title__isnull": "false"}, [0, 1]),
    ({"title__lt": "a"}, [0]),
    ({"title__lte": "milk_10"}, [0, 1]),
    ({"title__gt": "Milk 100%"}, [1]),
    ({"title__gte": "Milk 100%"}, [0, 1]),
    ({"title__contains": "ilk"}, [0, 1]),
    ({"title__contains": "Milk"}, [0]),
    ({"title__contains": "%"}, [0]),
    ({"title__contains": "_"}, [1]),
    ({"title__contains": ""}, [0, 1]),
    ({"title__startswith": "milk"}, [1]),
    ({"title__startswith": "%"}, []),
    ({"title__endswith": "0"}, [1]),
    ({"title__endswith": "0%"}, [0]),
    ({"title__ieq": "MILK_10"}, [1]),
    ({"title__icontains": "MILK"}, [0, 1]),
    ({"title__istartswith": "mILK "}, [0]),
    ({"title__iendswith": "K_10"}, [1]),
    ({"name__ieq": "ANNA"}, [0]),
    ({"name": ""}, [1]),
    ({"tiny": "-32768"}, [1]),
    ({"tiny__gt": "-32768"}, [0]),
    ({"rank__gte": "2147483647"}, [0]),
    ({"rank__ne": "0"}, [0, 2]),
    ({"big__lte": "-9223372036854775808"}, [1]),
    ({"big__in": "9223372036854775807,0"}, [0]),
    ({"weight": "0.5"}, [0]),
    ({"weight__gte": "1e300"}, [1]),
    ({"weight__lt": "1.7976931348623157e308"}, [0, 1]),
    ({"price": "1.23"}, [0]),
    ({"price": "1.2300"}, [0]),
    ({"price": "1.234"}, []),
    ({"price__lt": "1.234"}, [0, 1]),
    ({"price__ne": "1.23"}, [1, 2]),
    ({"price__in": "1.230,1.231"}, [0]),
    ({"price__gt": "-99999999999999999999999999999999999999"}, [0, 1]),
    ({"price__gt": "0.0000000000000000000000000000000000001"}, [0]),
    ({"done": "true"}, [0]),
    ({"done": "false"}, [1]),
    ({"done__ne": "true"}, [1, 2]),
    ({"done__in": "true,false"}, [0, 1]),
    ({"colour": "dark red"}, [0]),
    ({"colour__ne": "red"}, [0, 2]),
    ({"colour__in": "red,blue"}, [1]),
    ({"level": "2"}, [1]),
    ({"level__in": "1,2"}, [0, 1]),
    ({"size__ne": "1"}, [1, 2]),
    ({"shape": "round"}, [0]),
    ({"shape__ne": "round"}, [1, 2]),
    ({"token": str(TOKENS[0])}, [0]),
    ({"token__ne": str(TOKENS[0])}, [1, 2]),
    ({"code": TOKENS[1].hex}, [0]),
    ({"code__in": f"{TOKENS[0]},{TOKENS[1]}"}, [0, 1]),
    ({"at": "2026-01-31T10:30:00+01:00"}, [0]),
    ({"at__lt": "9999-12-31T23:59:59.999999Z"}, [0]),
    ({"at__lte": "9999-12-31T23:59:59.999999Z"}, [0, 1]),
    ({"at__gt": "0001-01-01T00:00:00Z"}, [0, 1]),
    ({"at__ne": "2026-01-31T09:30:00Z"}, [1, 2]),
    ({"local": "2026-01-31T09:30"}, [0]),
    ({"local__lte": "0001-01-01T00:00:00"}, [1]),
    ({"day__gte": "2026-02-01"}, [1]),
    ({"day__ne": "9999-12-31"}, [0, 2]),
    ({"hour__lt": "23:59:59.999999"}, [0]),
    ({"hour__in": "09:30,23:59:59.999999"}, [0, 1]),
    ({"title__icontains": "milk", "done": "true", "rank__gt": "0"}, [0]),
]
"""Which of the rows, by their number."""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.tables["things"].create)
    yield database
    await database.close()


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    async with database.transaction() as session:
        await fill(session, ROWS)
        yield session


async def fill(session: AsyncSession, rows: list[Row]) -> None:
    await session.execute(insert(Thing), [{**EMPTY, **row, "id": number} for number, row in enumerate(rows)])


async def found(session: AsyncSession, query: dict[str, Any]) -> list[int]:
    conditions = filters.where(ThingQuery.model_validate(query))
    assert len(conditions) == len(query)
    return list(await session.scalars(select(Thing.id).where(*conditions).order_by(Thing.id)))


async def test_each_operator(session: AsyncSession) -> None:
    for query, expected in ANSWERS:
        assert await found(session, query) == expected, query


async def test_the_limits_of_each_parameter_are_no_error_of_the_database(session: AsyncSession) -> None:
    for name, values in LIMITS.items():
        for operator in ("eq", "ne", "in", "lt", "lte", "gt", "gte"):
            for value in values:
                await found(session, {f"{name}__{operator}": value})


async def test_all_parameters_at_once(session: AsyncSession) -> None:
    query = {name: value for name, value in EVERYTHING.items() if f"{name}__eq" in ThingQuery.model_fields}
    query |= {f"{name}__eq": value for name, value in query.items()}
    assert await found(session, query) == [0]


LIMITS = {
    "id": ["-9223372036854775808", "9223372036854775807"],
    "title": ["", "\x01", "\U0010ffff" * 1000],
    "tiny": ["-32768", "32767"],
    "rank": ["-2147483648", "2147483647"],
    "big": ["-9223372036854775808", "9223372036854775807"],
    "weight": ["1.7976931348623157e308", "5e-324", "-0.0"],
    "price": ["9" * 38, "-" + "9" * 38, "1e37", "1e-38", "-0"],
    "at": ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"],
    "local": ["0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"],
    "day": ["0001-01-01", "9999-12-31"],
    "hour": ["00:00", "23:59:59.999999"],
}
EVERYTHING = {
    name: value.value if isinstance(value, Colour | Level | Size) else value
    for name, value in {"id": 0, **ROWS[0]}.items()
}

# `title` has any letter; `name` those that lower() of every PostgreSQL, also one in the C locale, makes what
# Python makes of them: the letters of ASCII, those that are in lower case already, and those without case.
LETTERS = "aAbBzé日\U0001f600ßÉİΣ%_\\'\" ,"
PLAIN_LETTERS = "aAbBzé日\U0001f600ß%_\\'\" ,"
ANY_CASE = ("ieq", "icontains", "istartswith", "iendswith")
MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
    datetime(2026, 1, 31, 9, 30, 0, 1, tzinfo=UTC),
    datetime(2026, 1, 31, 11, 30, tzinfo=timezone(timedelta(hours=2))),
    datetime(9999, 12, 31, tzinfo=UTC),
]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "title": st.text(LETTERS, max_size=4),
    "name": st.text("aAbB", max_size=4) | st.text(PLAIN_LETTERS, max_size=4),
    "tiny": st.integers(-1, 1),
    "rank": st.integers(-2, 2) | st.sampled_from([-(2**31), 2**31 - 1]),
    "big": st.integers(-2, 2) | st.sampled_from([-(2**63), 2**63 - 1]),
    "weight": st.sampled_from([-1.5, 0.0, 0.1, 1e300]),
    "price": st.decimals(-2, 2, places=2) | st.sampled_from([Decimal("0.1"), Decimal("99999999.99")]),
    "done": st.booleans(),
    "colour": st.sampled_from(Colour),
    "level": st.sampled_from(Level),
    "size": st.sampled_from(Size),
    "shape": st.sampled_from(["round", "square"]),
    "token": st.sampled_from(TOKENS),
    "code": st.sampled_from([str(token) for token in TOKENS]),
    "at": st.sampled_from(MOMENTS),
    "local": st.sampled_from([moment.replace(tzinfo=None) for moment in MOMENTS]),
    "day": st.dates(date(2026, 1, 30), date(2026, 2, 1)),
    "hour": st.sampled_from([time(0), time(9, 30), time(9, 30, 0, 1), time(23, 59, 59, 999999)]),
}
PARAMETERS = {
    name: [
        parameter
        for parameter in ThingQuery.model_fields
        if parameter.partition("__")[0] == name
        and not (name == "title" and parameter.partition("__")[2] in ANY_CASE)
    ]
    for name in VALUES
}
row = st.fixed_dictionaries({name: st.none() | value for name, value in VALUES.items()})


@st.composite
def asked(draw: st.DrawFn) -> tuple[list[Row], dict[str, Any]]:
    """Draw rows, and a value for each parameter: mostly one of theirs, or a part of it."""
    rows = draw(st.lists(row, min_size=1, max_size=5))
    sent: dict[str, Any] = {}
    for name, value in VALUES.items():
        present = [one[name] for one in rows if one[name] is not None]
        one = draw(st.sampled_from(present) | value if present else value)
        if name in ("title", "name"):
            one = one[draw(st.integers(0, 1)) :][: draw(st.integers(1, 4))]
            swapped = one.swapcase() if one.isascii() else one
            one = draw(st.sampled_from([one, swapped, f"%{one[1:]}", f"{one[:-1]}_"]))
        if name == "price":
            one += draw(st.sampled_from([Decimal(0), Decimal("0.001")]))  # finer than the column keeps
        several = [one, draw(value)]
        for parameter in PARAMETERS[name]:
            sent[parameter] = one
        # A comma would take them apart.
        sent[f"{name}__in"] = [other for other in several if "," not in str(other)] or [""]
        sent[f"{name}__isnull"] = draw(st.booleans())
    return rows, sent


def written(value: Any) -> str:
    """Write a value as a client does."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Colour | Level | Size):
        return str(value.value)
    return value.isoformat() if isinstance(value, datetime | date | time) else str(value)


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "": eq,
    "eq": eq,
    "in": lambda value, sent: value in sent,
    "lt": lt,
    "lte": le,
    "gt": gt,
    "gte": ge,
    "contains": contains,
    "startswith": str.startswith,
    "endswith": str.endswith,
}


def holds(row: Row, parameter: str, sent: Any) -> bool:
    """Say what a filter means, in plain Python."""
    name, _, operator = parameter.partition("__")
    value = row[name]
    if operator == "isnull":
        return bool((value is None) == sent)
    if operator == "ne":
        return bool(value != sent)
    if value is None:
        return False
    if operator in ANY_CASE:
        operator, value, sent = operator[1:], value.lower(), sent.lower()
    return COMPARISONS[operator](value, sent)


@settings(
    max_examples=20,
    phases=[Phase.generate],  # to make a failure smaller takes the databases minutes
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(asked=asked())
async def test_sql_answers_as_python_does(
    database: Database, asked: tuple[list[Row], dict[str, Any]]
) -> None:
    rows, sent = asked
    as_text = {
        parameter: [written(one) for one in value] if isinstance(value, list) else written(value)
        for parameter, value in sent.items()
    }
    names = [parameter for parameter in ThingQuery.model_fields if parameter in sent]
    conditions = filters.where(ThingQuery.model_validate(as_text))
    async with AsyncSession(database.engine) as session:  # which rolls back
        await fill(session, rows)
        # All conditions of all rows in one statement: WHERE keeps what is true, neither false nor NULL.
        found = (await session.execute(select(*conditions).order_by(Thing.id))).all()
    for one, answers in zip(rows, found, strict=True):
        for name, answer in zip(names, answers, strict=True):
            assert bool(answer) == holds(one, name, sent[name]), (name, sent[name], one)


def test_each_column_is_drawn() -> None:
    assert {"id", *VALUES} == set(LIKE)
