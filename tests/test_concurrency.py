"""ETag, If-Match and If-None-Match."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI, Response
from sqlalchemy import Column, Integer, MetaData, Table, insert, select

from stanchion.concurrency import IfMatch, IfNoneMatch, Precondition, etag
from stanchion.database import Database
from stanchion.errors import handle_errors
from stanchion.testing import client

pytestmark = pytest.mark.anyio


@pytest.fixture
async def caller() -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    handle_errors(app)

    @app.get("/")
    async def read(match: IfNoneMatch) -> Response:
        return Response(status_code=304 if match.holds(etag(3)) else 200)

    @app.get("/both")
    async def both(match: IfMatch, none_match: IfNoneMatch) -> Response:
        match.require(etag(3))
        return Response(status_code=304 if none_match.holds(etag(3)) else 200)

    @app.put("/")
    async def write(match: IfMatch) -> None:
        match.require(etag(3))

    async with client(app) as caller:
        yield caller


def test_a_tag_is_strong() -> None:
    assert etag(3) == '"3"'


@pytest.mark.parametrize(
    ("values", "read", "written"),
    [
        ([], 200, 200),
        (['"3"'], 304, 200),
        (['"2"'], 200, 412),
        (['W/"3"'], 304, 412),
        (["*"], 304, 200),
        ([" * "], 304, 200),
        (['"1", "2","3"'], 304, 200),
        (['"1"', '"3"'], 304, 200),
        ([', "1",, "3",'], 304, 200),
        (['"1,3"', '""'], 200, 412),
        (['"3" "2"'], 422, 422),
        (["3"], 422, 422),
        (['"3'], 422, 422),
        (['w/"3"'], 422, 422),
        (['"3", *'], 422, 422),
        ([""], 200, 412),
        ([",,"], 200, 412),
    ],
)
async def test_a_header_of_tags(
    caller: httpx2.AsyncClient, values: list[str], read: int, written: int
) -> None:
    for method, name, status in (("GET", "If-None-Match", read), ("PUT", "If-Match", written)):
        headers = [(name.encode(), value.encode("latin-1")) for value in values]
        response = await caller.request(method, "/", headers=headers)
        assert response.status_code == status
        if response.status_code == 422:
            assert response.json()["errors"][0]["loc"] == ["header", name]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": "*"}, 412),
        ({"If-None-Match": '"3"'}, 412),
        ({"If-None-Match": 'W/"3"'}, 412),
        ({"If-None-Match": '"1", "3"'}, 412),
        ({"If-None-Match": '"2"'}, 200),
        ({"If-None-Match": ""}, 200),
        ({"If-None-Match": "3"}, 422),
        ({"If-Match": '"3"', "If-None-Match": '"2"'}, 200),
        ({"If-Match": '"3"', "If-None-Match": '"3"'}, 412),
        ({"If-Match": '"2"', "If-None-Match": '"2"'}, 412),
    ],
)
async def test_a_write_of_what_is_to_be_new(
    caller: httpx2.AsyncClient, headers: dict[str, str], status: int
) -> None:
    """RFC 9110, 13.1.2: with If-None-Match a write goes ahead only where no such thing is there."""
    assert (await caller.put("/", headers=headers)).status_code == status


async def test_a_read_with_both(caller: httpx2.AsyncClient) -> None:
    """If-None-Match of a read is a 304, and never a 412 (RFC 9110, 13.2.2)."""
    both = {"If-Match": '"3"', "If-None-Match": '"3"'}
    assert (await caller.get("/both", headers=both)).status_code == 304
    assert (await caller.get("/both", headers={**both, "If-Match": '"2"'})).status_code == 412


VERSIONED = Table(
    "versioned", MetaData(), Column("id", Integer, primary_key=True), Column("version", Integer)
)


@pytest.mark.parametrize(
    ("tags", "unless", "found"),
    [
        (None, None, [1, 2]),
        (["*"], None, [1, 2]),
        (['"1"'], None, [1]),
        (['W/"1"'], None, []),
        (['"99999999999"'], None, []),
        (['"999999999999999999"', '"2"'], None, [2]),
        (['"9999999999999999999999"', '"02"', '"-1"', '"a"'], None, []),
        (None, ["*"], []),
        (None, ['"1"'], [2]),
        (None, ['W/"2"', '"99999999999"'], [1]),
        (None, [], [1, 2]),
        (['"1"', '"2"'], ['"2"'], [1]),
        (["*"], ["*"], []),
    ],
)
async def test_the_condition_of_a_statement(
    database_url: str, tags: list[str] | None, unless: list[str] | None, found: list[int]
) -> None:
    database = Database(database_url)
    match = Precondition(*(None if one is None else frozenset(one) for one in (tags, unless)))
    async with database.engine.begin() as connection:
        await connection.run_sync(VERSIONED.create)
        await connection.execute(insert(VERSIONED), [{"id": one, "version": one} for one in (1, 2)])
        statement = select(VERSIONED.c.id).where(*match.where(VERSIONED.c.version)).order_by(VERSIONED.c.id)
        assert list(await connection.scalars(statement)) == found
    await database.close()


async def test_they_are_documented(caller: httpx2.AsyncClient) -> None:
    paths = (await caller.get("/openapi.json")).json()["paths"]["/"]
    assert [parameter["name"] for parameter in paths["get"]["parameters"]] == ["If-None-Match"]
    assert [parameter["name"] for parameter in paths["put"]["parameters"]] == ["If-Match"]
