"""Filters: the model of a query, its document, and what it refuses."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, Query
from pydantic import BaseModel
from sqlalchemy import Column, MetaData, String, Text, TypeDecorator
from sqlalchemy.orm import Mapped, column_property, mapped_column
from sqlmodel import Field, SQLModel
from tests.filtering.things import LIKE, UNLIKE, Base, Colour, Level, Size, Thing, ThingQuery, filters

from stanchion.errors import handle_errors
from stanchion.filtering import Filters
from stanchion.pagination import Page
from stanchion.testing import client

pytestmark = pytest.mark.anyio

EQUALITY = {"", "eq", "ne", "in"}
ORDER = {"lt", "lte", "gt", "gte"}
TEXT = {"contains", "startswith", "endswith", "ieq", "icontains", "istartswith", "iendswith"}
LIKE_AT = {"at", *(f"at__{one}" for one in (EQUALITY | ORDER | {"isnull"}) - {""})}
NAMES = {"done", "colour", "level", "size", "shape", "token", "code"}
TEXTS = {"title", "name"}


class Note(SQLModel, table=True):
    __tablename__ = "filtered_notes"
    metadata = MetaData()

    id: int | None = Field(default=None, primary_key=True)
    text: str
    at: datetime


class Draft(SQLModel):
    text: str


class Reversed(TypeDecorator[bytes]):
    """Bytes, kept as a text: its values are not those of the type below it."""

    impl = String
    cache_ok = True

    @property
    def python_type(self) -> type[bytes]:
        return bytes


class Odd(Base):
    __tablename__ = "odd"

    id: Mapped[int] = mapped_column(primary_key=True)
    limit: Mapped[int]
    copy: Mapped[int]
    _hidden: Mapped[int] = mapped_column("hidden")
    title: Mapped[str] = mapped_column(Text)
    title__in: Mapped[str]
    raw: Mapped[bytes] = mapped_column(Reversed)
    twice = column_property(Column("half", String) + "!")


@pytest.fixture
async def caller() -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    handle_errors(app)

    @app.get("/")
    async def read(query: Annotated[ThingQuery, Query()]) -> dict[str, Any]:  # type: ignore[valid-type] # made at run time
        sent: BaseModel = query
        return sent.model_dump(mode="json", include=sent.model_fields_set)

    async with client(app) as caller:
        yield caller


def parameters(name: str, *operators: set[str]) -> set[str]:
    return {f"{name}__{operator}" if operator else name for operator in set().union(*operators)}


def test_the_parameters_are_those_of_the_types() -> None:
    expected = {"limit", "offset", "count"} | parameters("id", EQUALITY, ORDER)
    for name in set(LIKE) - {"id"}:
        more = [] if name in NAMES else [ORDER, TEXT] if name in TEXTS else [ORDER]
        expected |= parameters(name, EQUALITY, {"isnull"}, *more)
    assert set(ThingQuery.model_fields) == expected
    assert issubclass(ThingQuery, Page)
    assert ThingQuery.__name__ == "ThingQuery"


def test_a_sqlmodel_table() -> None:
    query = Filters(Note, ["text", "at"]).query(Page, "NoteQuery")
    assert set(query.model_fields) - set(Page.model_fields) == parameters(
        "text", EQUALITY, ORDER, TEXT
    ) | parameters("at", EQUALITY, ORDER)
    sent = query.model_validate({"at__gte": "2026-01-31T09:30:00+01:00"})
    assert getattr(sent, "at__gte") == datetime(2026, 1, 31, 8, 30, tzinfo=UTC)  # noqa: B009 - made at run time
    (condition,) = Filters(Note, ["text", "at"]).where(sent)
    assert str(condition) == "filtered_notes.at >= :at_1"


def test_nothing_sent_is_no_condition() -> None:
    assert filters.where(ThingQuery()) == []
    assert filters.where(ThingQuery(title=None)) == []  # type: ignore[call-arg] # made at run time
    assert len(filters.where(ThingQuery(title="a", done__isnull=False))) == 2  # type: ignore[call-arg] # as above


def test_a_query_of_another_model_is_not_taken_for_one_that_asks_for_nothing() -> None:
    with pytest.raises(AttributeError, match="id"):
        filters.where(Page())


@pytest.mark.parametrize("name", UNLIKE)
def test_a_column_that_cannot_be_filtered(name: str) -> None:
    with pytest.raises(TypeError, match=rf"^Thing\.{name} is \w+\(.*\), which has no filters: leave it out"):
        Filters(Thing, [name])


def test_a_decorated_type_of_other_values_cannot_be_filtered() -> None:
    with pytest.raises(TypeError, match=r"Odd\.raw is Reversed\(\), which has no filters"):
        Filters(Odd, ["raw"])


def test_an_expression_has_filters() -> None:
    query = Filters(Odd, ["twice"]).query(Page, "OddQuery")
    assert {"twice__contains", "twice__isnull"} <= set(query.model_fields)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["colour", "color"], "Thing has no column 'color' to filter by: name id, title, name, tiny"),
        (["called"], "Thing has no column 'called'"),
        (["metadata"], "Thing has no column 'metadata'"),
        (["title", "rank", "title"], "Thing has two filters 'title': name a column once"),
    ],
)
def test_names_that_are_wrong(names: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Filters(Thing, names)


def test_two_columns_with_one_parameter() -> None:
    with pytest.raises(ValueError, match="Odd has two filters 'title__in'"):
        Filters(Odd, ["title", "title__in"])


@pytest.mark.parametrize("model", [Draft, int, Page(), None])
def test_what_is_no_table(model: Any) -> None:
    with pytest.raises(TypeError, match="is no table: name a SQLModel class with table=True"):
        Filters(model, ["text"])


@pytest.mark.parametrize("name", ["limit", "copy", "_hidden"])
def test_a_name_that_the_query_has_already(name: str) -> None:
    with pytest.raises(ValueError, match=f"Page cannot have the filter '{name}'"):
        Filters(Odd, [name]).query(Page, "OddQuery")


async def test_each_parameter_is_documented(caller: httpx2.AsyncClient) -> None:
    document = (await caller.get("/openapi.json")).json()
    found = {one["name"]: one for one in document["paths"]["/"]["get"]["parameters"]}
    assert set(found) == set(ThingQuery.model_fields)
    assert len({one["description"] for one in found.values()}) > len(found) * 0.8
    for name, one in found.items():
        assert one["in"] == "query"
        assert not one["required"]
        assert name.partition("__")[0] in one["description"] or name in Page.model_fields
        if name not in Page.model_fields:
            assert not {"default", "nullable"} & one["schema"].keys()
            assert "'type': 'null'" not in str(one["schema"])
    assert found["title__in"]["description"] == (
        "Only rows whose `title` is one of these: commas separate them, 100 at the most."
    )
    offset = " Write a moment with its offset, like `2026-01-31T12:00:00Z`."
    moments = {name for name in LIKE_AT if found[name]["description"].endswith(offset)}
    assert moments == LIKE_AT - {"at__isnull"}
    assert sum(offset in one["description"] for one in found.values()) == len(moments)

    def kinds(name: str) -> tuple[Any, ...]:
        schema = found[name]["schema"]
        return tuple(schema.get(key) for key in ("type", "format", "minimum", "maximum"))

    assert kinds("title__contains") == ("string", None, None, None)
    assert kinds("tiny") == ("integer", None, -(2**15), 2**15 - 1)
    assert kinds("rank__lt") == ("integer", None, -(2**31), 2**31 - 1)
    assert kinds("big__gte") == kinds("id") == ("integer", None, -(2**63), 2**63 - 1)
    assert kinds("weight")[0] == "number"
    assert kinds("done") == kinds("title__isnull") == ("boolean", None, None, None)
    assert kinds("token") == kinds("code") == ("string", "uuid", None, None)
    assert kinds("at__lte") == ("string", "date-time", None, None)
    assert kinds("day") == ("string", "date", None, None)
    assert kinds("local") == kinds("hour") == ("string", None, None, None)
    assert found["shape"]["schema"]["enum"] == ["round", "square"]
    assert document["components"]["schemas"]["Colour"]["enum"] == ["red", "dark red", "blue"]
    many = found["rank__in"]["schema"]
    assert (many["type"], many["maxItems"], many["items"]["maximum"]) == ("array", 100, 2**31 - 1)


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("title=", ""),
        ("title=%25_%5C'%2C", "%_\\',"),
        ("title__in=a,b", ["a", "b"]),
        ("title__in=a&title__in=b", ["a", "b"]),
        ("title__in=a,&title__in=b,c", ["a", "", "b", "c"]),
        ("rank__in=1,-2", [1, -2]),
        ("colour__in=red,dark%20red", ["red", "dark red"]),
        ("level=2", 2),
        ("level__in=1,2", [1, 2]),
        ("size=2", 2),
        ("shape=round", "round"),
        ("done=true", True),
        ("title__isnull=false", False),
        ("tiny=-32768", -(2**15)),
        ("rank=2147483647", 2**31 - 1),
        ("big=-9223372036854775808", -(2**63)),
        ("price__lt=12.5", "12.5"),
        ("weight=1e3", 1000.0),
        ("code=6BA7B8109DAD11D180B400C04FD430C8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        ("at=2026-01-31T09:30:00Z", "2026-01-31T09:30:00Z"),
        ("at=2026-01-31T09:30:00%2B02:00", "2026-01-31T07:30:00Z"),
        ("at=2026-01-31T09:30:00+02:00", "2026-01-31T07:30:00Z"),
        ("at=2026-01-31+09:30:00.25+0200", "2026-01-31T07:30:00.250000Z"),
        ("at=2026-01-31T09:30-02:00", "2026-01-31T11:30:00Z"),
        ("at__in=2026-01-31T09:30Z,2026-01-31T09:30+01:00", ["2026-01-31T09:30:00Z", "2026-01-31T08:30:00Z"]),
        ("at=0001-01-01T00:00:00-01:00", "0001-01-01T01:00:00Z"),
        ("local=2026-01-31+09:30", "2026-01-31T09:30:00"),
        ("day=2026-01-31", "2026-01-31"),
        ("hour=09:30", "09:30:00"),
    ],
)
async def test_what_can_be_sent(caller: httpx2.AsyncClient, query: str, value: Any) -> None:
    response = await caller.get(f"/?{query}")
    assert (response.status_code, response.json()) == (200, {query.partition("=")[0]: value})


@pytest.mark.parametrize(
    "query",
    [
        "titel=a",
        "title__like=a",
        "done__lt=true",
        "rank__contains=1",
        "id__isnull=true",
        "data=1",
        "title=%00",
        "title__icontains=a%00",
        "title__isnull=perhaps",
        "tiny=32768",
        "rank=2147483648",
        "rank=a",
        "rank=",
        "rank=1.5",
        "big__lt=9223372036854775808",
        "id=-9223372036854775809",
        "id=" + "9" * 5000,
        "weight=nan",
        "weight=inf",
        "weight=1e999",
        "price=NaN",
        "price=-Infinity",
        "price=" + "1" * 39,
        "price=1e38",
        "price=1e999999",
        "price=1e-999999",
        "done=2",
        "colour=green",
        "colour=Colour.red",
        "level=3",
        "size=small",
        "shape=oval",
        "token=1",
        "code=1",
        "at=2026-01-31T09:30:00",
        "at=2026-01-31",
        "at=1767225600",
        "at=0001-01-01T00:00:00%2B00:01",
        "at=9999-12-31T23:59:59-00:01",
        "at=2026-01-31T09:30:00++02:00",
        "at=now",
        "local=2026-01-31T09:30:00Z",
        "local=1767225600",
        "day=20260131",
        "day=0",
        "day=2026-02-30",
        "hour=09:30:00Z",
        "hour=3600",
        "hour=25:00",
        "limit=0",
    ],
)
async def test_what_cannot_be_sent(caller: httpx2.AsyncClient, query: str) -> None:
    response = await caller.get(f"/?{query}")
    assert response.status_code == 422
    assert [error["loc"] for error in response.json()["errors"]] == [["query", query.partition("=")[0]]]


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("rank__in=1,2147483648", ["query", "rank__in", 1]),
        ("rank__in=", ["query", "rank__in", 0]),
        ("at__in=2026-01-31T09:30:00Z&at__in=1", ["query", "at__in", 1]),
        ("shape__in=round,oval", ["query", "shape__in", 1]),
        ("title__in=" + "," * 99, None),
        ("title__in=" + "," * 100, ["query", "title__in"]),
        ("&".join(["title__in=a"] * 101), ["query", "title__in"]),
    ],
)
async def test_one_of_several(caller: httpx2.AsyncClient, query: str, place: list[str | int] | None) -> None:
    response = await caller.get(f"/?{query}")
    assert response.status_code == (422 if place else 200)
    assert not place or [error["loc"] for error in response.json()["errors"]] == [place]


def test_values_of_python_serve_too() -> None:
    sent: Any = ThingQuery.model_validate(
        {
            "colour__in": (Colour.red,),
            "level": Level.high,
            "size": Size.large,
            "at": datetime(2026, 1, 31, tzinfo=UTC),
            "price": Decimal(1),
            "title__in": "a,b",
        }
    )
    assert (sent.colour__in, sent.level, sent.size) == ([Colour.red], Level.high, Size.large)
    assert (sent.at, sent.price, sent.title__in) == (datetime(2026, 1, 31, tzinfo=UTC), 1, ["a", "b"])
    with pytest.raises(ValueError, match="title__in"):
        ThingQuery.model_validate({"title__in": 1})
