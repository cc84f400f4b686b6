"""Numbers that a column of 32 bits cannot hold: nothing has them, on both databases."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from sqlmodel import Field, SQLModel

import stanchion
from stanchion import Database
from stanchion.errors import handle_errors
from stanchion.signing import sign_with
from stanchion.testing import client

pytestmark = pytest.mark.anyio

BEYOND = [2**31, 3_000_000_000, 2**63 - 1]


class Usual(SQLModel, table=True):
    """As SQLModel's tutorial has it: an id and a version of 32 bits."""

    __tablename__ = "usual_rows"
    __table_args__ = {"sqlite_autoincrement": True}  # no id returns, so that versions begin at 1

    id: int | None = Field(default=None, primary_key=True)
    title: str = ""
    rank: int = 0
    version: int = 1


class Body(BaseModel):
    title: str


class Change(BaseModel):
    title: str = ""


class Shown(Body):
    id: int


@pytest.fixture
async def caller(database_url: str) -> AsyncIterator[httpx2.AsyncClient]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.tables["usual_rows"].create)

    class Resource(stanchion.Resource[Any]):
        session = database.get_session

    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of this backend")
    rows = Resource(Usual, create=Body, update=Change, response=Shown, sort=["title"])
    app.include_router(rows.router(prefix="/rows"))
    async with client(app) as caller:
        assert (await caller.post("/rows", json={"title": "a"})).status_code == 201
        yield caller
    await database.close()


@pytest.mark.parametrize("beyond", BEYOND)
async def test_a_row_that_cannot_be_is_not_there(caller: httpx2.AsyncClient, beyond: int) -> None:
    for method, path, body in (
        ("GET", f"/rows/{beyond}", None),
        ("PUT", f"/rows/{beyond}", {"title": "b"}),
        ("PATCH", f"/rows/{beyond}", {}),
        ("DELETE", f"/rows/{beyond}", None),
        ("PATCH", "/rows/bulk", [{"id": 1, "title": "b"}, {"id": beyond, "title": "b"}]),
        ("DELETE", "/rows/bulk", [1, beyond]),
    ):
        response = await caller.request(method, path, json=body)
        assert (response.status_code, response.json()["error"]) == (404, "usual_not_found"), (method, path)
    assert (await caller.get("/rows/1")).json() == {"id": 1, "title": "a"}


@pytest.mark.parametrize("beyond", [2**31, 99_999_999_999, 10**17])
async def test_a_version_that_cannot_be_is_not_current(caller: httpx2.AsyncClient, beyond: int) -> None:
    headers = {"If-Match": f'"{beyond}"'}
    for method, body in (("PUT", {"title": "b"}), ("PATCH", {}), ("DELETE", None)):
        response = await caller.request(method, "/rows/1", json=body, headers=headers)
        assert response.status_code == 412
    headers["If-Match"] += ', "1"'
    assert (await caller.put("/rows/1", json={"title": "b"}, headers=headers)).status_code == 200
    assert (await caller.get("/rows/1", headers={"If-None-Match": f'"{beyond}"'})).status_code == 200


@pytest.mark.parametrize("tags", ["*", '"1"', 'W/"1"', '"7", "1"'])
async def test_a_write_only_if_it_is_not_there(caller: httpx2.AsyncClient, tags: str) -> None:
    """RFC 9110, 13.1.2."""
    headers = {"If-None-Match": tags}
    for method, body in (("PUT", {"title": "b"}), ("PATCH", {}), ("DELETE", None)):
        refused = await caller.request(method, "/rows/1", json=body, headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (412, "precondition_failed")
        assert (await caller.request(method, "/rows/7", json=body, headers=headers)).status_code == 404
    read = await caller.get("/rows/1")
    assert (read.json()["title"], read.headers["ETag"]) == ("a", '"1"')
    written = await caller.put(
        "/rows/1", json={"title": "b"}, headers={"If-None-Match": '"2", "99999999999"'}
    )
    assert written.status_code == 200
