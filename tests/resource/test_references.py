"""What a row refers to is something that its writer may see."""

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, Header
from pydantic import BaseModel
from sqlalchemy import BigInteger, Column, ForeignKey
from sqlmodel import Field, SQLModel
from tests.databases import ENGINES
from tests.resource.conftest import Built, Served, building, serving, tables

import stanchion
from stanchion import Caller, Database
from stanchion.database import BigID, UTCDateTime
from stanchion.errors import handle_errors
from stanchion.signing import sign_with

pytestmark = pytest.mark.anyio

ADA, BOB = {"X-User": "1"}, {"X-User": "2"}


def reference(table: str) -> Any:
    return Field(default=None, sa_column=Column(BigInteger, ForeignKey(f"{table}.id"), nullable=True))


def key() -> Any:
    return Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))


class Folder(SQLModel, table=True):
    __tablename__ = "reference_folders"

    id: int | None = key()
    owner_id: int | None = Field(default=None, sa_type=BigInteger)
    parent_id: int | None = reference("reference_folders")
    deleted_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class Sheet(SQLModel, table=True):
    __tablename__ = "reference_sheets"

    id: int | None = key()
    owner_id: int | None = Field(default=None, sa_type=BigInteger)
    folder_id: int | None = reference("reference_folders")
    copy_of: int | None = reference("reference_sheets")


class FolderBody(BaseModel):
    parent_id: int | None = None


class FolderResponse(FolderBody):
    id: int


class SheetBody(BaseModel):
    folder_id: int | None = None
    copy_of: int | None = None


class SheetResponse(SheetBody):
    id: int


async def get_caller(x_user: Annotated[int | None, Header()] = None) -> Caller:
    return Caller(1, x_user)


async def nobody() -> None: ...


async def new(office: Served, what: str, who: dict[str, str], **body: Any) -> int:
    made = await office.caller.post(f"/{what}", json=body, headers=who)
    assert made.status_code == 201, made.text
    row_id: int = made.json()["id"]
    return row_id


def resources(database: Database, **references: Any) -> dict[str, stanchion.Resource[Any]]:
    class Resource(stanchion.Resource[Any]):
        session = database.get_session
        caller = get_caller

    folders = Resource(
        Folder,
        create=FolderBody,
        update=FolderBody,
        response=FolderResponse,
        owner="owner_id",
        deleted_at="deleted_at",
    )
    sheets = Resource(
        Sheet,
        create=SheetBody,
        update=SheetBody,
        response=SheetResponse,
        owner="owner_id",
        references=references or {"folder_id": folders},
    )
    return {"folders": folders, "sheets": sheets}


def app_of(found: dict[str, stanchion.Resource[Any]]) -> FastAPI:
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of this office")
    for name, resource in found.items():
        app.include_router(resource.router(prefix=f"/{name}"))
    return app


def make(database: Database) -> FastAPI:
    return app_of(resources(database))


def make_open(database: Database) -> FastAPI:
    return app_of(resources(database, folder_id=None))


@pytest.fixture(scope="module", params=ENGINES)
def built(request: pytest.FixtureRequest) -> Iterator[Built]:
    with building(request, make, tables(Folder, Sheet)) as built:
        yield built


@pytest.fixture
async def office(built: Built) -> AsyncIterator[Served]:
    async with serving(built) as served:
        yield served


@pytest.fixture(params=ENGINES)
def built_open(request: pytest.FixtureRequest) -> Iterator[Built]:
    with building(request, make_open, tables(Folder, Sheet)) as built:
        yield built


def refused(response: httpx2.Response, *place: str | int) -> None:
    assert response.status_code == 422, response.text
    found = response.json()["errors"]
    assert [(one["loc"], one["type"]) for one in found] == [(["body", *place], "foreign_key")]


async def test_what_is_ones_own_can_be_named(office: Served) -> None:
    folder = await new(office, "folders", ADA)
    office.counted()
    await new(office, "sheets", ADA, folder_id=folder)
    assert office.counted() == 2
    await new(office, "sheets", ADA)
    assert office.counted() == 1


@pytest.mark.parametrize("what", ["somebody else's", "deleted", "never there"])
async def test_what_is_not_is_as_if_it_were_not_there(office: Served, what: str) -> None:
    folder = await new(office, "folders", BOB if what == "somebody else's" else ADA)
    if what == "deleted":
        await office.caller.delete(f"/folders/{folder}", headers=ADA)
    named = {"folder_id": 2**40 if what == "never there" else folder}
    refused(await office.caller.post("/sheets", json=named, headers=ADA), "folder_id")
    sheet = await new(office, "sheets", ADA)
    for method in ("PUT", "PATCH"):
        changed = await office.caller.request(method, f"/sheets/{sheet}", json=named, headers=ADA)
        refused(changed, "folder_id")
    many = await office.caller.post("/sheets/bulk", json=[{}, named], headers=ADA)
    refused(many, 1, "folder_id")
    changes = await office.caller.patch("/sheets/bulk", json=[{"id": sheet, **named}], headers=ADA)
    refused(changes, 0, "folder_id")
    lines = f'{{}}\n{{"folder_id": {named["folder_id"]}}}\n'
    ndjson = {**ADA, "Content-Type": "application/x-ndjson"}
    imported = await office.caller.post("/sheets/import", content=lines, headers=ndjson)
    refused(imported, 2, "folder_id")
    assert [one["folder_id"] for one in (await office.caller.get("/sheets", headers=ADA)).json()] == [None]


async def test_a_table_that_refers_to_itself(office: Served) -> None:
    mine, other = await new(office, "folders", ADA), await new(office, "folders", BOB)
    child = await new(office, "folders", ADA, parent_id=mine)
    refused(await office.caller.post("/folders", json={"parent_id": other}, headers=ADA), "parent_id")
    refused(
        await office.caller.patch(f"/folders/{child}", json={"parent_id": other}, headers=ADA), "parent_id"
    )
    sheet = await new(office, "sheets", BOB)
    refused(await office.caller.post("/sheets", json={"copy_of": sheet}, headers=ADA), "copy_of")


async def test_many_take_one_statement_more(office: Served) -> None:
    folders = [await new(office, "folders", ADA) for _ in range(3)]
    office.counted()
    counts = []
    for times in (1, 20):
        body = [{"folder_id": one} for one in folders] * times
        response = await office.caller.post("/sheets/bulk", json=body, headers=ADA)
        assert response.status_code == 201
        counts.append(office.counted())
    assert counts == [4, 4]  # with a savepoint, which is taken and released


async def test_a_reference_to_any_row(built_open: Built) -> None:
    async with serving(built_open) as office:
        folder = await new(office, "folders", BOB)
        await new(office, "sheets", ADA, folder_id=folder)


def test_it_has_to_be_said_whose_may_be_named() -> None:
    class Resource(stanchion.Resource[Any]):
        session = nobody
        caller = nobody

    def declare(**given: Any) -> None:
        Resource(Sheet, create=SheetBody, response=SheetResponse, **given)

    with pytest.raises(
        ValueError, match=r"Sheet.folder_id leads to reference_folders, whose rows have owners"
    ):
        declare(owner="owner_id")
    sheets = Resource(Sheet, response=SheetResponse)
    for wrong in ({"folder_id": sheets}, {"id": None}, {"owner_id": sheets}):
        with pytest.raises(ValueError, match="does not lead to what `references` says"):
            declare(owner="owner_id", references=wrong)
    with pytest.raises(ValueError, match="Sheet has no column 'folder'"):
        declare(owner="owner_id", references={"folder": None})
    declare()  # no owners, no question
