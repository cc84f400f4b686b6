"""Models, schemas and hooks that are not the usual ones: what is stored, whose it is, and what is told."""

import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from sqlalchemy import BigInteger, Column, ColumnElement, ForeignKey, MetaData, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlmodel import Field, SQLModel, col, delete
from tests.databases import ENGINES
from tests.resource.conftest import Built, Served, building, serving, tables

import stanchion
from stanchion import Caller, Database
from stanchion.database import BigID, UTCDateTime
from stanchion.errors import ConflictError, ForbiddenError, handle_errors
from stanchion.idempotency import Idempotency
from stanchion.idempotency.store import metadata as replies
from stanchion.resource.hooks import conditions
from stanchion.signing import sign_with
from stanchion.testing import client

pytestmark = pytest.mark.anyio


class Parcel(SQLModel, table=True):
    __tablename__ = "edge_parcels"

    code: str = Field(primary_key=True, max_length=40)
    title: str = Field(max_length=10)
    version: int = 1


class Task(SQLModel, table=True):
    __tablename__ = "edge_tasks"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    title: str = Field(default="", sa_column=Column(String(10), nullable=False))
    priority: int
    colour: str = "red"
    shelf: str = "new"
    made_by: str = ""
    changed_by: str = ""
    made_at: datetime | None = Field(
        default=None, sa_type=UTCDateTime, sa_column_kwargs={"server_default": func.now(), "nullable": False}
    )
    deleted_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    version: int = 1


class Diary(SQLModel, table=True):
    __tablename__ = "edge_diaries"

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    owner_id: int = Field(sa_type=BigInteger)
    parcel: str | None = Field(
        default=None,
        sa_column=Column(String(40), ForeignKey("edge_parcels.code", ondelete="RESTRICT"), nullable=True),
    )


class Base(DeclarativeBase):
    metadata = MetaData()


class Stamp(Base):
    """No SQLModel: SQLAlchemy makes its keys."""

    __tablename__ = "edge_stamps"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    title: Mapped[str]


class ParcelCreate(BaseModel):
    code: str
    title: str


class ParcelResponse(ParcelCreate):
    version: int


class TaskCreate(BaseModel):
    title: str
    priority: int = 3
    colour: str | None = None
    shelf: str = "new"


class TaskUpdate(BaseModel):
    title: str = ""
    shelf: str = ""
    made_by: str = ""


class TaskResponse(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    id: int
    title: str
    priority: int
    colour: str
    shelf: str
    made_by: str
    changed_by: str
    made_at: datetime


class DiaryBody(BaseModel):
    parcel: str | None = None


class DiaryResponse(DiaryBody):
    id: int


class StampBody(BaseModel):
    title: str


class StampResponse(StampBody):
    id: uuid.UUID


async def get_caller(x_user: Annotated[int | None, Header()] = None) -> Caller:
    return Caller(1, x_user)


async def on_shelf(x_shelf: Annotated[str, Header()] = "new") -> Any:
    return None if x_shelf == "forgotten" else [] if x_shelf == "all" else [col(Task.shelf) == x_shelf]


async def is_open(x_shelf: Annotated[str, Header()] = "new") -> None:
    if x_shelf == "closed":
        raise ForbiddenError("The shelf is closed.", "closed")


async def made_by(caller: Annotated[Caller, Depends(get_caller)]) -> dict[str, str]:
    return {"made_by": f"user {caller.user_id}"}


async def changed_by(caller: Annotated[Caller, Depends(get_caller)]) -> dict[str, str]:
    return {"changed_by": f"user {caller.user_id}"}


async def misnamed() -> dict[str, str]:
    return {"maker": "?"}


async def new_task(desk: Served, **body: Any) -> dict[str, Any]:
    made = await desk.caller.post("/tasks", json={"title": "a", **body}, headers={"X-User": "1"})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def make(database: Database) -> FastAPI:
    class Resource(stanchion.Resource[Any]):
        session = database.get_session
        caller = get_caller
        idempotency = Idempotency(database, caller=get_caller)

    tasks: stanchion.Resource[Task] = Resource(
        Task,
        create=TaskCreate,
        update=TaskUpdate,
        response=TaskResponse,
        scope=on_shelf,
        authorize=is_open,
        values=made_by,
        update_values=changed_by,
        deleted_at="deleted_at",
    )
    wrong: stanchion.Resource[Task] = Resource(
        Task, create=TaskCreate, response=TaskResponse, values=misnamed, name="wrong_task"
    )
    parcels = Resource(Parcel, create=ParcelCreate, update=StampBody, response=ParcelResponse)
    diaries = Resource(
        Diary, create=DiaryBody, update=DiaryBody, response=DiaryResponse, owner="owner_id", name="diary"
    )
    stamps = Resource(Stamp, create=StampBody, response=StampResponse)
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of this desk")
    router = tasks.router(prefix="/tasks")

    @router.post("/{task_id}/archive")
    async def archive(task: Annotated[Task, Depends(tasks.find_to_write)]) -> str:
        task.shelf = "old"
        return task.title

    app.include_router(router)
    app.include_router(wrong.router(prefix="/wrong"))
    app.include_router(parcels.router(prefix="/parcels"))
    app.include_router(diaries.router(prefix="/diaries"))
    app.include_router(stamps.router(prefix="/stamps"))
    return app


@pytest.fixture(scope="module", params=ENGINES)
def office(request: pytest.FixtureRequest) -> Iterator[Built]:
    with building(request, make, tables(Parcel, Task, Diary), Base.metadata, replies) as built:
        yield built


@pytest.fixture
async def desk(office: Built) -> AsyncIterator[Served]:
    async with serving(office) as served:
        yield served


async def test_defaults_of_the_schema_are_stored(desk: Served) -> None:
    one = await new_task(desk)
    assert (one["priority"], one["colour"]) == (3, "red")  # None stands for nothing: the model's own
    many = await desk.caller.post("/tasks/bulk", json=[{"title": "b"}, {"title": "c", "priority": 5}])
    assert [item["priority"] for item in many.json()] == [3, 5]


async def test_the_database_fills_in_what_only_it_can(desk: Served) -> None:
    assert (await new_task(desk))["madeAt"]


async def test_a_key_that_sqlalchemy_makes(desk: Served) -> None:
    titles = [str(number) for number in range(30)]
    made = await desk.caller.post("/stamps/bulk", json=[{"title": one} for one in titles])
    assert [one["title"] for one in made.json()] == titles
    assert (await desk.caller.post("/stamps", json={"title": "x"})).status_code == 201


async def test_a_change_that_takes_a_row_out_of_sight(desk: Served) -> None:
    ids = [(await new_task(desk))["id"] for _ in range(2)]
    moved = await desk.caller.patch("/tasks/bulk", json=[{"id": one, "shelf": "old"} for one in ids])
    assert [one["shelf"] for one in moved.json()] == ["old", "old"]
    assert (await desk.caller.get("/tasks")).json() == []


async def test_whom_a_hook_refuses_is_told_no_reply_that_was_stored(desk: Served) -> None:
    key = {"Idempotency-Key": "k"}
    first = await desk.caller.post("/tasks", json={"title": "a"}, headers=key)
    again = await desk.caller.post("/tasks", json={"title": "a"}, headers=key)
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
    refused = await desk.caller.post("/tasks", json={"title": "a"}, headers={**key, "X-Shelf": "closed"})
    assert (refused.status_code, refused.json()["error"]) == (403, "closed")


async def test_a_scope_that_forgets_a_branch_shows_nothing(desk: Served) -> None:
    await new_task(desk)
    assert len((await desk.caller.get("/tasks", headers={"X-Shelf": "all"})).json()) == 1
    for method, url in (("GET", "/tasks"), ("DELETE", "/tasks/1"), ("GET", "/tasks/export")):
        answer = await desk.caller.request(method, url, headers={"X-Shelf": "forgotten"})
        assert answer.status_code == 500


@pytest.mark.parametrize("query", ["", "?on_error=continue"])
async def test_what_is_missing_is_found_without_asking_for_each(desk: Served, query: str) -> None:
    counts = []
    for count in (4, 200):
        made = await desk.caller.post("/tasks/bulk", json=[{"title": "a"}] * count)
        ids = [one["id"] for one in made.json()] + [2**40, 2**41]
        desk.counted()
        changes = [{"id": one, "title": "b"} for one in ids]
        changed = await desk.caller.patch(f"/tasks/bulk{query}", json=changes)
        changed_with = desk.counted()
        deleted = await desk.caller.request("DELETE", f"/tasks/bulk{query}", json=ids)
        counts.append((changed_with, desk.counted()))
        if query:
            assert [one["status"] for one in changed.json()] == [200] * count + [404, 404]
            assert [one["status"] for one in deleted.json()] == [204] * count + [404, 404]
        else:
            for answer in (changed, deleted):
                assert answer.status_code == 404
                assert [one["loc"] for one in answer.json()["errors"]] == [
                    ["body", count],
                    ["body", count + 1],
                ]
    assert counts[0] == counts[1]


async def test_what_the_database_refuses_is_found_by_halves(desk: Served) -> None:
    body = [{"code": f"p{number}", "title": "x"} for number in range(200)]
    body[150]["code"] = "p7"
    desk.counted()
    refused = await desk.caller.post("/parcels/bulk", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (409, ["body", 150, "code"])
    assert desk.counted() < 60
    told = await desk.caller.post("/parcels/bulk", json=[{"code": "p", "title": "x"}] * 300)
    assert len(told.json()["errors"]) == 100
    done = await desk.caller.post("/parcels/bulk?on_error=continue", json=body)
    assert [index for index, one in enumerate(done.json()) if one["status"] != 201] == [150]


async def test_a_value_out_of_range_is_one_items_affair(desk: Served) -> None:
    body = [{"title": "a"}, {"title": "b", "priority": 10**20}, {"title": "c"}]
    done = await desk.caller.post("/tasks/bulk?on_error=continue", json=body)
    assert [one["status"] for one in done.json()] == [201, 422, 201]
    refused = await desk.caller.post("/tasks/bulk", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["body", 1])


async def test_many_have_the_names_that_one_has(desk: Served) -> None:
    one = await new_task(desk)
    (many,) = (await desk.caller.post("/tasks/bulk", json=[{"title": "a"}])).json()
    (told,) = (await desk.caller.post("/tasks/bulk?on_error=continue", json=[{"title": "a"}])).json()
    assert one.keys() == many.keys() == told["item"].keys() >= {"madeBy", "changedBy"}


async def test_an_id_that_comes_again_has_another_version(desk: Served) -> None:
    tags = []
    for title in ("one", "two"):
        made = await desk.caller.post("/parcels", json={"code": "a", "title": title})
        tags.append(made.headers["ETag"])
        stale = await desk.caller.get("/parcels/a", headers={"If-None-Match": tags[0]})
        assert stale.status_code == (304 if title == "one" else 200)
        changed = await desk.caller.patch(
            "/parcels/a", json={"title": "x"}, headers={"If-Match": tags[0]} if title == "two" else {}
        )
        assert changed.status_code == (200 if title == "one" else 412)
        await desk.caller.delete("/parcels/a")
    assert tags[0] != tags[1]


async def test_what_is_filled_in_when(desk: Served) -> None:
    one = await new_task(desk)
    assert (one["madeBy"], one["changedBy"]) == ("user 1", "")
    sent = {"title": "b", "made_by": "me"}
    changed = await desk.caller.patch(f"/tasks/{one['id']}", json=sent, headers={"X-User": "2"})
    assert (changed.json()["madeBy"], changed.json()["changedBy"]) == ("user 1", "user 2")
    many = await desk.caller.patch("/tasks/bulk", json=[{"id": one["id"], **sent}], headers={"X-User": "3"})
    assert [(each["madeBy"], each["changedBy"]) for each in many.json()] == [("user 1", "user 3")]
    assert (await desk.caller.delete(f"/tasks/{one['id']}", headers={"X-User": "4"})).status_code == 204
    back = await desk.caller.post(f"/tasks/{one['id']}/restore", headers={"X-User": "5"})
    assert (back.json()["madeBy"], back.json()["changedBy"]) == ("user 1", "user 5")
    assert (await desk.caller.post("/wrong", json={"title": "a"})).status_code == 500


async def test_rows_that_are_somebodys_are_made_by_somebody(desk: Served) -> None:
    refused = await desk.caller.post("/diaries", json={})
    assert (refused.status_code, refused.json()["error"]) == (403, "user_required")
    many = await desk.caller.post("/diaries/bulk", json=[{}])
    assert (many.status_code, many.json()["error"]) == (403, "user_required")
    assert (await desk.caller.post("/diaries", json={}, headers={"X-User": "1"})).status_code == 201
    assert (await desk.caller.get("/diaries")).json() == []
    paths = desk.app.openapi()["paths"]
    assert "403" in paths["/diaries"]["post"]["responses"]


async def test_a_restore_keeps_the_version_that_is_asked_for(desk: Served) -> None:
    one = await new_task(desk)
    url = f"/tasks/{one['id']}"
    await desk.caller.delete(url)
    for tag, status in (('"1"', 412), ('"2"', 200), ('"2"', 412), ('"3"', 200)):
        assert (await desk.caller.post(f"{url}/restore", headers={"If-Match": tag})).status_code == status
    assert "412" in desk.app.openapi()["paths"]["/tasks/{task_id}/restore"]["post"]["responses"]


async def test_a_key_that_clients_send(desk: Served) -> None:
    paths = desk.app.openapi()["paths"]
    for path in ("/parcels", "/parcels/bulk", "/parcels/import"):
        assert "409" in paths[path]["post"]["responses"]
    assert (await desk.caller.post("/parcels", json={"code": "a", "title": "x"})).status_code == 201
    assert (await desk.caller.post("/parcels", json={"code": "a", "title": "x"})).status_code == 409
    for code in ("", "a/b", "export", "bulk", ".", ".."):
        refused = await desk.caller.post("/parcels", json={"code": code, "title": "x"})
        assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["body", "code"]), code


async def test_nothing_to_change_changes_nothing(desk: Served) -> None:
    one = await new_task(desk)
    url = f"/tasks/{one['id']}"
    for answer in (
        await desk.caller.patch(url, json={}),
        await desk.caller.patch("/tasks/bulk", json=[{"id": one["id"]}]),
    ):
        assert answer.status_code == 200
    assert (await desk.caller.get(url)).headers["ETag"] == '"1"'


async def test_ids_that_are_named_oddly(desk: Served) -> None:
    ids = [(await new_task(desk))["id"] for _ in range(2)]
    for body in ([True], ["1"], [1.5]):
        refused = await desk.caller.request("DELETE", "/tasks/bulk", json=body)
        assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["body", 0])
    twice = await desk.caller.request("DELETE", "/tasks/bulk", json=[*ids, ids[0]])
    assert (twice.status_code, twice.json()["errors"][0]["loc"]) == (422, ["body", 2])
    changes = [{"id": ids[0], "title": title} for title in ("x", "y")]
    assert (await desk.caller.patch("/tasks/bulk", json=changes)).status_code == 422
    assert len((await desk.caller.get("/tasks")).json()) == 2


async def test_an_endpoint_by_hand_asks_who_may_write(desk: Served) -> None:
    one = await new_task(desk)
    url = f"/tasks/{one['id']}/archive"
    assert (await desk.caller.post(url, headers={"X-Shelf": "closed"})).status_code == 403
    assert (await desk.caller.post(url)).status_code == 200
    assert (await desk.caller.post(url)).status_code == 404


async def test_a_row_that_may_not_go(desk: Served) -> None:
    await desk.caller.post("/parcels", json={"code": "a", "title": "x"})
    await desk.caller.post("/diaries", json={"parcel": "a"}, headers={"X-User": "1"})
    refused = await desk.caller.delete("/parcels/a")
    assert (refused.status_code, refused.json()["error"]) == (409, "still_referenced")
    with pytest.raises(ConflictError):
        async with desk.database.transaction() as session:
            await session.execute(delete(Parcel))


def forgetful() -> None: ...


def test_a_condition_is_what_scope_returns() -> None:
    condition: ColumnElement[bool] = col(Task.shelf) == "new"
    assert conditions(Task, forgetful, condition) == [condition]
    assert conditions(Task, forgetful, ()) == []
    for wrong, kind in ((None, "NoneType"), (True, "bool"), ("new", "str"), ([condition, None], "NoneType")):
        said = f"forgetful, the scope of Task, returned {kind} where a condition on its rows is wanted"
        with pytest.raises(TypeError, match=said):
            conditions(Task, forgetful, wrong)


async def test_a_scope_that_forgets_to_answer_shows_nothing(desk: Served) -> None:
    class Resource(stanchion.Resource[Any]):
        session = desk.database.get_session

    resource = Resource(Task, response=TaskResponse, scope=forgetful)
    app = FastAPI()
    app.include_router(resource.router(prefix="/tasks"))
    async with client(app) as caller:
        for path in ("/tasks", "/tasks/1"):
            with pytest.raises(TypeError, match="forgetful, the scope of Task, returned NoneType"):
                await caller.get(path)
