"""ETag, If-Match and If-None-Match."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI, Response

from stanchion.concurrency import IfMatch, IfNoneMatch, etag
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


async def test_they_are_documented(caller: httpx2.AsyncClient) -> None:
    paths = (await caller.get("/openapi.json")).json()["paths"]["/"]
    assert [parameter["name"] for parameter in paths["get"]["parameters"]] == ["If-None-Match"]
    assert [parameter["name"] for parameter in paths["put"]["parameters"]] == ["If-Match"]
