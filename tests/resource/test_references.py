"""What a row refers to is something that its writer may see."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import FastAPI, Header
from pydantic import BaseModel
from sqlalchemy import BigInteger, Column, ForeignKey, event
from sqlmodel import Field, SQLModel

import stanchion
from stanchion import Caller, Database
from stanchion.database import BigID, UTCDateTime
from stanchion.errors import handle_errors
from stanchion.signing import sign_with
from stanchion.testing import client

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


@dataclass
class Office:
    """The app, and the statements that it has sent."""

    call: httpx2.AsyncClient
    statements: list[str]

    async def make(self, what: str, who: dict[str, str], **body: Any) -> int:
        made = await self.call.post(f"/{what}", json=body, headers=who)
        assert made.status_code == 201, made.text
        row_id: int = made.json()["id"]
        return row_id

    def counted(self) -> int:
        count = len([one for one in self.statements if one.startswith(("SELECT", "INSERT", "UPDATE"))])
        self.statements.clear()
        return count


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


async def made(database: Database) -> None:
    tables = [SQLModel.metadata.tables[str(one.__tablename__)] for one in (Folder, Sheet)]
    async with database.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all, tables=tables)


def app_of(found: dict[str, stanchion.Resource[Any]]) -> FastAPI:
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of this office")
    for name, resource in found.items():
        app.include_router(resource.router(prefix=f"/{name}"))
    return app


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    database = Database(database_url)
    await made(database)
    async with client(app_of(resources(database))) as call:
        office = Office(call, [])

        def note(_: Any, __: Any, statement: str, *___: Any) -> None:
            office.statements.append(statement)

        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        yield office
    await database.close()


def refused(response: httpx2.Response, *place: str | int) -> None:
    assert response.status_code == 422, response.text
    found = response.json()["errors"]
    assert [(one["loc"], one["type"]) for one in found] == [(["body", *place], "foreign_key")]


async def test_what_is_ones_own_can_be_named(office: Office) -> None:
    folder = await office.make("folders", ADA)
    office.counted()
    await office.make("sheets", ADA, folder_id=folder)
    assert office.counted() == 2
    await office.make("sheets", ADA)
    assert office.counted() == 1


@pytest.mark.parametrize("what", ["somebody else's", "deleted", "never there"])
async def test_what_is_not_is_as_if_it_were_not_there(office: Office, what: str) -> None:
    folder = await office.make("folders", BOB if what == "somebody else's" else ADA)
    if what == "deleted":
        await office.call.delete(f"/folders/{folder}", headers=ADA)
    named = {"folder_id": 2**40 if what == "never there" else folder}
    refused(await office.call.post("/sheets", json=named, headers=ADA), "folder_id")
    sheet = await office.make("sheets", ADA)
    for method in ("PUT", "PATCH"):
        changed = await office.call.request(method, f"/sheets/{sheet}", json=named, headers=ADA)
        refused(changed, "folder_id")
    many = await office.call.post("/sheets/bulk", json=[{}, named], headers=ADA)
    refused(many, 1, "folder_id")
    changes = await office.call.patch("/sheets/bulk", json=[{"id": sheet, **named}], headers=ADA)
    refused(changes, 0, "folder_id")
    lines = f'{{}}\n{{"folder_id": {named["folder_id"]}}}\n'
    ndjson = {**ADA, "Content-Type": "application/x-ndjson"}
    imported = await office.call.post("/sheets/import", content=lines, headers=ndjson)
    refused(imported, 2, "folder_id")
    assert [one["folder_id"] for one in (await office.call.get("/sheets", headers=ADA)).json()] == [None]


async def test_a_table_that_refers_to_itself(office: Office) -> None:
    mine, other = await office.make("folders", ADA), await office.make("folders", BOB)
    child = await office.make("folders", ADA, parent_id=mine)
    refused(await office.call.post("/folders", json={"parent_id": other}, headers=ADA), "parent_id")
    refused(await office.call.patch(f"/folders/{child}", json={"parent_id": other}, headers=ADA), "parent_id")
    sheet = await office.make("sheets", BOB)
    refused(await office.call.post("/sheets", json={"copy_of": sheet}, headers=ADA), "copy_of")


async def test_many_take_one_statement_more(office: Office) -> None:
    folders = [await office.make("folders", ADA) for _ in range(3)]
    office.counted()
    counts = []
    for times in (1, 20):
        body = [{"folder_id": one} for one in folders] * times
        response = await office.call.post("/sheets/bulk", json=body, headers=ADA)
        assert response.status_code == 201
        counts.append(office.counted())
    assert counts == [2, 2]


async def test_a_reference_to_any_row(database_url: str) -> None:
    database = Database(database_url)
    await made(database)
    async with client(app_of(resources(database, folder_id=None))) as call:
        office = Office(call, [])
        folder = await office.make("folders", BOB)
        await office.make("sheets", ADA, folder_id=folder)
    await database.close()


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
