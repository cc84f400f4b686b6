"""Path, query, headers, cookies and bodies: read and refused as FastAPI does it, byte by byte."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from fastapi import APIRouter, Body, Cookie, Header, Path, Query
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, Json
from tests.routing.twins import Asked, Told, Twins

pytestmark = pytest.mark.anyio


class Colour(StrEnum):
    red = "red"
    blue = "blue"


class Listed(BaseModel):
    limit: int = Field(50, ge=1, le=100)
    sort: list[str] = ["id"]
    colour: Colour | None = None
    since: Annotated[date | None, Query(alias="from")] = None


class Closed(Listed):
    model_config = ConfigDict(extra="forbid")


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")

    limit: int = 1


class Needed(BaseModel):
    first: int
    second: int
    third: int


class Named(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    page_size: Annotated[int, Query(alias="pageSize")] = 1


class Signed(BaseModel):
    x_token: str
    x_tags: list[int] = []


class Item(BaseModel):
    name: str
    price: Decimal = Decimal(1)
    tags: set[str] = set()
    parent: "Item | None" = None


@dataclass
class Point:
    x: int
    y: int = 0


def shown(**values: Any) -> dict[str, str]:
    return {name: repr(value) for name, value in values.items()}


def path(number: int, word: str) -> Any:
    return shown(number=number, word=word)


async def narrow(number: Annotated[int, Path(ge=3, lt=9)], word: Annotated[Colour, Path()]) -> Any:
    return shown(number=number, word=word)


async def query(
    a: int,
    b: str | None = None,
    c: Annotated[list[int], Query()] = [],  # noqa: B006 - FastAPI copies it, as is asked here
    d: Annotated[tuple[str, ...] | None, Query(alias="dee")] = None,
    e: Annotated[bool, Query(deprecated=True)] = False,
    f: Annotated[Literal["x", "y"], Query(validation_alias="eff")] = "x",
    g: Annotated[set[UUID], Query(default_factory=set)] = ...,  # type: ignore[assignment] # a default is made
) -> Any:
    return shown(a=a, b=b, c=c, d=d, e=e, f=f, g=g)


async def choices(a: Annotated[int, Query(validation_alias=AliasChoices("one", "two"))]) -> Any:
    return shown(a=a)


async def encoded(a: Annotated[Json[list[int]], Query()], b: Annotated[list[Json[int]], Query()]) -> Any:
    return shown(a=a, b=b)


async def checked(
    a: Annotated[int, Query(validate_default=True)] = "no",  # type: ignore[assignment] # it is refused
    b: Annotated[str, BeforeValidator(lambda value: value.strip()), Query(min_length=2)] = "  ",
) -> Any:
    return shown(a=a, b=b)


async def listed(q: Annotated[Listed, Query()]) -> Any:
    return shown(q=q)


async def closed(q: Annotated[Closed, Query()]) -> Any:
    return shown(q=q)


async def opened(q: Annotated[Open, Query()]) -> Any:
    return shown(q=q)


async def needed(q: Annotated[Needed, Query()]) -> Any:
    return shown(q=q)


async def named(q: Annotated[Named, Query()]) -> Any:
    return shown(q=q)


async def perhaps(q: Annotated[Listed | None, Query()] = None) -> Any:
    return shown(q=q)


async def perhaps_open(q: Annotated[Open | None, Query()] = None) -> Any:
    return shown(q=q)


async def header(
    x_one: Annotated[int, Header()],
    accept: Annotated[str | None, Header()] = None,
    x_many: Annotated[list[str] | None, Header()] = None,
    odd_name: Annotated[str, Header(convert_underscores=False)] = "none",
) -> Any:
    return shown(x_one=x_one, accept=accept, x_many=x_many, odd_name=odd_name)


async def signed(h: Annotated[Signed, Header()]) -> Any:
    return shown(h=h)


async def cookie(a: Annotated[int, Cookie()], b: Annotated[str, Cookie()] = "b") -> Any:
    return shown(a=a, b=b)


async def cookies(c: Annotated[Open, Cookie()]) -> Any:
    return shown(c=c)


async def cookie_list(a: Annotated[list[str], Cookie()] = []) -> Any:  # noqa: B006 - FastAPI copies it
    return shown(a=a)


async def body(item: Item) -> Any:
    return shown(item=item)


async def either(item: Item | Point | int | None = None) -> Any:
    return shown(item=item)


async def embedded(item: Annotated[Item, Body(embed=True)]) -> Any:
    return shown(item=item)


async def several(
    item: Item,
    point: Point,
    note: Annotated[str, Body(alias="Note", max_length=3)] = "-",
    other: Annotated[int, Body(validation_alias=AliasChoices("uno", "due"))] = 1,
) -> Any:
    return shown(item=item, point=point, note=note, other=other)


async def raw(data: Annotated[bytes, Body(media_type="application/octet-stream")]) -> Any:
    return shown(data=data)


async def anything(data: Annotated[Any, Body()]) -> Any:
    return shown(data=data)


async def mixed(number: int, item: Item, q: Annotated[Listed, Query()], a: Annotated[int, Cookie()]) -> Any:
    return shown(number=number, item=item, q=q, a=a)


Endpoints = list[Callable[..., Any]]
IN_URL: Endpoints = [
    query,
    choices,
    encoded,
    checked,
    listed,
    closed,
    opened,
    needed,
    named,
    perhaps,
    perhaps_open,
]
IN_HEADERS: Endpoints = [header, signed, cookie, cookies, cookie_list]
IN_BODY: Endpoints = [body, either, embedded, several, raw, anything]
ALL: Endpoints = [path, narrow, *IN_URL, *IN_HEADERS, *IN_BODY, mixed]


def declare(router: APIRouter, told: Told) -> None:
    for function in ALL:
        parameters = {path: "/{number}/{word}", narrow: "/{number}/{word}", mixed: "/{number}"}
        method = "POST" if function in [*IN_BODY, mixed] else "GET"
        place = f"/{function.__name__}{parameters.get(function, '')}"
        router.add_api_route(place, function, methods=[method])


TWINS = Twins(declare)
INCLUDED = Twins(declare, include={"prefix": "/v1"})


def test_all_are_compiled() -> None:
    assert TWINS.reasons == INCLUDED.reasons == [None] * len(ALL)


@pytest.mark.parametrize(
    ("where", "status"),
    [
        ("/path/7/seven", 200),
        ("/path/seven/7", 422),
        ("/narrow/3/blue", 200),
        ("/narrow/9/green", 422),
        ("/query?a=1", 200),
        ("/query", 422),
        ("/query?a=1&a=2&b=&c=1&c=2&dee=x&dee=y&e=yes&eff=y", 200),
        ("/query?a=x&c=x&c=2&c=y&e=perhaps&eff=z&g=no", 422),
        ("/query?a=&d=unread&f=unread", 422),
        ("/choices?two=2", 200),
        ("/choices?two=x&one=y", 422),
        ("/choices", 422),
        ("/encoded?a=[1,2]&b=1&b=2", 200),
        ("/encoded?a=[1,&b=x", 422),
        ("/encoded?a=", 422),
        ("/checked", 422),
        ("/checked?a=1", 200),
        ("/checked?a=1&b=%20x%20", 422),
        ("/listed", 200),
        ("/listed?limit=20&sort=a&sort=-b&colour=red&from=2026-01-01&more=1", 200),
        ("/listed?limit=0&colour=green&from=never", 422),
        ("/closed?limit=20", 200),
        ("/closed?limit=20&more=1&more=2", 422),
        ("/opened?limit=2&more=1&more=2&other=", 200),
        ("/opened?limit=", 422),
        (
            "/needed?third=3&first=1",
            422,
        ),  # what is missing is told with what was sent, in the order of fields
        ("/named?pageSize=2", 200),
        ("/named?page_size=2", 200),
        ("/named?page_size=x", 422),
        ("/perhaps", 200),
        ("/perhaps?more=1", 200),
        ("/perhaps?limit=7", 200),
        ("/perhaps?limit=x", 422),
        ("/perhaps_open", 200),
        ("/perhaps_open?more=1", 200),
        ("/path/7/seven?unread=%ff%00", 200),
    ],
)
async def test_what_is_in_the_url(where: str, status: int) -> None:
    path, _, query = where.partition("?")
    await TWINS.same(Asked(path=path, query=query), status)
    await INCLUDED.same(Asked(path=f"/v1{path}", query=query), status)


@pytest.mark.parametrize(
    ("place", "headers", "status"),
    [
        ("/header", [], 422),
        ("/header", [("X-One", "1")], 200),
        (
            "/header",
            [("x-one", "1"), ("X-ONE", "2"), ("accept", "*/*"), ("x-many", "a"), ("x-many", "b")],
            200,
        ),
        ("/header", [("x-one", "x"), ("odd_name", "odd"), ("odd-name", "even")], 422),
        ("/header", [("x-one", "1"), ("odd_name", "\xe9")], 200),
        ("/signed", [], 422),
        ("/signed", [("x-token", "t"), ("x-tags", "1"), ("x-tags", "2")], 200),
        ("/signed", [("x-token", "t"), ("x-tags", "x")], 422),
        ("/signed", [("x_token", "t")], 422),
        ("/cookie", [], 422),
        ("/cookie", [("cookie", "a=1; b=2")], 200),
        ("/cookie", [("cookie", "a=1"), ("cookie", "a=x; c")], 422),
        ("/cookies", [("cookie", "limit=2; more=1")], 200),
        ("/cookies", [("cookie", "limit=x")], 422),
        ("/cookie_list", [("cookie", "a=1; a=2")], 422),
        ("/cookie_list", [("cookie", "a=")], 200),
    ],
)
async def test_what_is_in_headers(place: str, headers: list[tuple[str, str]], status: int) -> None:
    await TWINS.same(Asked(path=place, headers=headers), status)


JSON = ("content-type", "application/json")


@pytest.mark.parametrize(
    ("place", "sent", "headers", "status"),
    [
        ("/body", b'{"name": "n"}', [JSON], 200),
        ("/body", b'{"name": "n"}', [("content-type", "application/problem+json; charset=utf-8")], 200),
        ("/body", b'{"name": "n"}', [("content-type", "text/plain")], 422),
        ("/body", b'{"name": "n"}', [("content-type", "application/")], 422),
        ("/body", b'{"name": "n"}', [("content-type", "nonsense")], 422),
        ("/body", b'{"name": "n"}', [], 422),
        ("/body", b'{"name": 1, "price": "x", "tags": [1], "parent": {}}', [JSON], 422),
        ("/body", b"[]", [JSON], 422),
        ("/body", b"null", [JSON], 422),
        ("/body", b"", [JSON], 422),
        ("/body", b'{"name": ', [JSON], 422),
        ("/body", b'{"name": "\xff"}', [JSON], 400),
        ("/body", b"[" * 100_000, [JSON], 400),
        ("/body", b'{"name": "n", "price": NaN}', [JSON], 422),
        ("/either", b'{"x": "1"}', [JSON], 200),
        ("/either", b"17", [JSON], 200),
        ("/either", b"", [], 200),
        ("/either", b"null", [JSON], 200),
        ("/embedded", b'{"item": {"name": "n"}}', [JSON], 200),
        ("/embedded", b'{"name": "n"}', [JSON], 422),
        ("/embedded", b"[1]", [JSON], 422),
        ("/embedded", b"text", [("content-type", "text/plain")], 422),
        ("/several", b'{"item": {"name": "n"}, "point": {"x": 1}, "due": 2}', [JSON], 200),
        ("/several", b'{"item": {}, "point": {"x": "y"}, "Note": "long", "uno": "x"}', [JSON], 422),
        ("/several", b'{"item": {"name": "n"}, "point": null}', [JSON], 422),
        ("/several", b"3", [JSON], 422),
        ("/several", b"", [JSON], 422),
        ("/raw", b"\x00\xff", [("content-type", "application/octet-stream")], 200),
        ("/raw", b'"text"', [JSON], 200),
        ("/anything", b'{"a": [1, {"b": null}]}', [JSON], 200),
        ("/anything", b"", [JSON], 422),
        ("/mixed/1", b'{"name": "n"}', [JSON, ("cookie", "a=1")], 200),
        ("/mixed/x", b'{"price": "y"}', [JSON], 422),
    ],
)
async def test_what_is_in_the_body(
    place: str, sent: bytes, headers: list[tuple[str, str]], status: int
) -> None:
    await TWINS.same(Asked("POST", place, "", headers, sent), status)


async def test_all_that_is_wrong_is_told_at_once() -> None:
    asked = Asked("POST", "/mixed/x", "limit=x", [JSON], b'{"price": "y"}')
    assert (await TWINS.same(asked, 422)).body.count(b"'loc'") == 5


async def test_a_body_without_a_type_is_json_where_that_is_allowed() -> None:
    twins = Twins(declare, strict_content_type=False)
    await twins.same(Asked("POST", "/body", body=b'{"name": "n"}'))
    await twins.same(Asked("POST", "/body", headers=[("content-type", "")], body=b'{"name": "n"}'))


async def test_a_default_is_the_requests_own() -> None:
    def keeping(router: APIRouter, told: Told) -> None:
        @router.get("/")
        async def root(words: Annotated[list[str], Query()] = ["first"]) -> list[str]:  # noqa: B006 - the point
            words.append("more")
            return words

    twins = Twins(keeping)
    for _ in range(2):
        assert (await twins.same(Asked())).json() == ["first", "more"]


NAMES = st.sampled_from(
    ["a", "b", "c", "dee", "e", "eff", "g", "one", "two", "limit", "sort", "colour", "from", "x"]
)
VALUES = st.one_of(
    st.sampled_from(["", "0", "1", "101", "red", "x", "y", "true", "2026-02-30", "[1]", "[", "null"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="&;#=+"), max_size=5),
)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
LEAVES = st.none() | st.booleans() | st.integers(-2, 2) | st.floats(allow_nan=False) | st.text(max_size=3)
MEMBERS = st.sampled_from(
    ["name", "price", "tags", "parent", "item", "point", "Note", "uno", "due", "x", "y"]
)
VALUE = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=12,
)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def joined(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in pairs)


@MANY
@given(PAIRS, st.sampled_from(IN_URL))
async def test_any_query(pairs: list[tuple[str, str]], function: Callable[..., Any]) -> None:
    await TWINS.ask(Asked(path=f"/{function.__name__}", query=joined(pairs)))


@MANY
@given(PAIRS, st.sampled_from(IN_HEADERS))
async def test_any_headers(pairs: list[tuple[str, str]], function: Callable[..., Any]) -> None:
    names = {"a": "x-one", "b": "x-many", "c": "x-token", "e": "x-tags", "x": "odd_name"}
    headers = [(names.get(name, name), value) for name, value in pairs]
    headers += [("cookie", f"{name}={value}") for name, value in pairs]
    await TWINS.ask(Asked(path=f"/{function.__name__}", headers=headers))


@MANY
@given(VALUE, st.sampled_from(IN_BODY))
async def test_any_json(value: Any, function: Callable[..., Any]) -> None:
    await TWINS.ask(Asked.json(value, path=f"/{function.__name__}"))


@MANY
@given(
    st.binary(max_size=20), st.sampled_from(IN_BODY), st.sampled_from(["", "application/json", "a/b+json"])
)
async def test_any_bytes(sent: bytes, function: Callable[..., Any], kind: str) -> None:
    headers = [("content-type", kind)] if kind else []
    await TWINS.ask(Asked("POST", f"/{function.__name__}", headers=headers, body=sent))
