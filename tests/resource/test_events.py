"""The events of a resource: each write is told of in its own transaction, with one statement more."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime
from typing import Annotated, Any, ClassVar

import pytest
from fastapi import Depends, FastAPI, Header
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    MetaData,
    Table,
    UniqueConstraint,
    event,
    select,
)
from sqlmodel import Field, SQLModel, col
from tests.databases import ENGINES, Renewable, renewable
from tests.events.following import following
from tests.resource.conftest import Schema, Served

import stanchion
from stanchion import Caller, Database
from stanchion.database import BigID, UTCDateTime, now
from stanchion.database.changes import COLUMNS, Event, event_of, events
from stanchion.errors import handle_errors
from stanchion.events import Events, UntoldWarning, Visibility
from stanchion.idempotency import Idempotency
from stanchion.signing import sign_with
from stanchion.testing import client

pytestmark = pytest.mark.anyio


class Task(SQLModel, table=True):
    __tablename__ = "resource_tasks"
    __table_args__ = (UniqueConstraint("owner_id", "title"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    owner_id: int | None = Field(default=None, sa_type=BigInteger)
    title: str
    secret: str = "never shown"
    version: int = 1
    updated_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)


class Plan(SQLModel, table=True):
    __tablename__ = "resource_plans"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    team_id: int
    title: str
    version: int = 1
    deleted_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class TaskBody(Schema):
    title: str


class TaskResponse(TaskBody):
    id: int
    updated_at: datetime


class PlanCreate(Schema):
    title: str


class PlanUpdate(Schema):
    title: str = ""
    team_id: int = 0


class PlanResponse(Schema):
    id: int
    team_id: int
    title: str


async def get_caller(x_user: Annotated[int | None, Header()] = None) -> Caller:
    return Caller(None if x_user is None else 10 * x_user, x_user)


async def get_team(x_team: Annotated[int, Header()] = 1) -> int:
    return x_team


TeamDep = Annotated[int, Depends(get_team)]


async def of_team(team: TeamDep) -> ColumnElement[bool]:
    return col(Plan.team_id) == team


async def in_team(team: TeamDep) -> dict[str, int]:
    return {"team_id": team}


async def teams(team: TeamDep) -> list[int]:
    return [team]


def make(database: Database) -> FastAPI:
    class Resource(stanchion.Resource[Any]):
        session = database.get_session
        caller = get_caller
        idempotency = Idempotency(database, caller=get_caller)
        events: ClassVar[Events | None] = Events(database)

    class Quiet(Resource):
        events = None

    tasks = Resource(Task, create=TaskBody, update=TaskBody, response=TaskResponse, owner="owner_id")
    quiet = Quiet(Task, create=TaskBody, update=TaskBody, response=TaskResponse, owner="owner_id")
    options: dict[str, Any] = {
        "create": PlanCreate,
        "update": PlanUpdate,
        "response": PlanResponse,
        "scope": of_team,
        "deleted_at": "deleted_at",
    }
    plans = Resource(Plan, visibility=Visibility("team_id", teams), values=None, **options)
    new_plans = Resource(Plan, visibility=Visibility("team_id", teams), values=in_team, **options)
    unseen = Resource(Plan, values=in_team, name="unseen_plan", **options)
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of these tasks")
    for prefix, resource in (
        ("tasks", tasks),
        ("quiet", quiet),
        ("plans", plans),
        ("new-plans", new_plans),
        ("unseen", unseen),
    ):
        app.include_router(resource.router(prefix=f"/{prefix}"))

    @app.post("/by-hand/{task_id}")
    async def finish(
        task: Annotated[Task, Depends(tasks.find)],
        session: Annotated[Any, Depends(database.get_session)],
        caller: Annotated[Caller, Depends(get_caller)],
    ) -> None:
        task.title = "done"
        await session.flush()
        await tasks.announce(session, "updated", [task], caller)
        await quiet.announce(session, "updated", [task], caller)

    return app


@pytest.fixture(scope="module", params=ENGINES)
def built(
    request: pytest.FixtureRequest, original_of: Callable[[str], str]
) -> Iterator[tuple[FastAPI, Database, Renewable]]:
    async def fill(database: Database) -> None:
        tables = [SQLModel.metadata.tables[str(one.__tablename__)] for one in (Task, Plan)]
        async with database.engine.begin() as connection:
            await connection.run_sync(SQLModel.metadata.create_all, tables=tables)

    with renewable(request, fill, migrated=original_of(request.param)) as one:
        database = Database(one.url)
        yield make(database), database, one


@pytest.fixture
async def shop(built: tuple[FastAPI, Database, Renewable]) -> AsyncIterator[Served]:
    app, database, one = built
    one.renew()
    async with client(app, headers={"X-User": "5"}) as caller:
        served = Served(app, caller, database, [])

        def note(_: Any, __: Any, statement: str, *___: Any) -> None:
            served.statements.append(statement)

        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        yield served
        event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    await database.close()


async def told(shop: Served) -> list[Event]:
    async with shop.database.read() as session:
        rows = await session.execute(select(*COLUMNS).where(events.c.topic != "").order_by(events.c.id))
        return [event_of(row) for row in rows.mappings()]


async def summary(shop: Served) -> list[tuple[str, str, int | None, str]]:
    """Return of each event its kind, key, version and title."""
    return [(one.kind, one.key, one.version, json.loads(one.data)["title"]) for one in await told(shop)]


async def test_the_life_of_a_row(shop: Served) -> None:
    made = await shop.caller.post("/tasks", json={"title": "a"}, headers={"X-Request-ID": "r-1"})
    shown = made.json()
    path = made.headers["Location"]
    await shop.caller.patch(path, json={"title": "b"})
    await shop.caller.patch(path, json={})  # nothing changes, and nothing is told
    await shop.caller.put(path, json={"title": "c"})
    assert (await shop.caller.delete(path)).status_code == 204
    key = str(shown["id"])
    assert await summary(shop) == [
        ("created", key, 1, "a"),
        ("updated", key, 2, "b"),
        ("updated", key, 3, "c"),
        ("deleted", key, 3, "c"),
    ]
    first = (await told(shop))[0]
    assert json.loads(first.data) == shown
    assert "never shown" not in first.data
    assert (first.topic, first.owner_id, first.key_id, first.user_id) == ("task", 5, 50, 5)


async def test_many_at_once(shop: Served) -> None:
    made = (await shop.caller.post("/tasks/bulk", json=[{"title": "a"}, {"title": "b"}])).json()
    ids = [one["id"] for one in made]
    changed = [{"id": ids[1], "title": "d"}, {"id": ids[0], "title": "c"}]
    await shop.caller.patch("/tasks/bulk", json=changed)
    gone = await shop.caller.request("DELETE", "/tasks/bulk", json=ids)
    assert gone.status_code == 200, gone.text
    one, two = map(str, ids)
    found = await summary(shop)
    assert found[:4] == [
        ("created", one, 1, "a"),
        ("created", two, 1, "b"),
        ("updated", two, 2, "d"),
        ("updated", one, 2, "c"),
    ]
    assert sorted(found[4:]) == sorted([("deleted", one, 2, "c"), ("deleted", two, 2, "d")])


async def test_only_what_was_done_is_told(shop: Served) -> None:
    await shop.caller.post("/tasks", json={"title": "a"})
    bad = [{"title": "b"}, {"title": "a"}, {"title": "c"}]
    assert (await shop.caller.post("/tasks", json={"title": "a"})).status_code == 409
    assert (await shop.caller.post("/tasks/bulk", json=bad)).status_code == 409
    assert len(await told(shop)) == 1
    results = (await shop.caller.post("/tasks/bulk?on_error=continue", json=bad)).json()
    assert [one["status"] for one in results] == [201, 409, 201]
    assert [title for _, _, _, title in await summary(shop)] == ["a", "b", "c"]


async def test_an_import_is_told_of(shop: Served) -> None:
    lines = b"".join(b'{"title": "%d"}\n' % number for number in range(50))
    headers = {"Content-Type": "application/x-ndjson"}
    assert (await shop.caller.post("/tasks/import", content=lines, headers=headers)).status_code == 201
    refused = await shop.caller.post("/tasks/import", content=lines, headers=headers)
    assert refused.status_code == 409
    found = await told(shop)
    assert sorted(json.loads(one.data)["title"] for one in found) == sorted(map(str, range(50)))
    assert {(one.kind, one.owner_id, one.version) for one in found} == {("created", 5, 1)}
    read = (await shop.caller.get("/tasks?limit=100")).json()
    assert {one.key for one in found} == {str(one["id"]) for one in read}


async def test_a_request_sent_again_is_told_of_once(shop: Served) -> None:
    for _ in range(2):
        made = await shop.caller.post("/tasks", json={"title": "a"}, headers={"Idempotency-Key": "k"})
        assert made.status_code == 201
    assert len(await told(shop)) == 1


@pytest.mark.parametrize("count", [1, 40])
async def test_it_takes_a_statement_more(shop: Served, count: int) -> None:
    body = [{"title": str(number)} for number in range(count)]

    async def taken(path: str) -> list[int]:
        counts = []
        shop.counted()
        made = (await shop.caller.post(f"{path}/bulk", json=body)).json()
        counts.append(shop.counted())
        changed = [{"id": one["id"], "title": f"{one['title']}!"} for one in made]
        assert (await shop.caller.patch(f"{path}/bulk", json=changed)).status_code == 200
        counts.append(shop.counted())
        ids = [one["id"] for one in made]
        assert (await shop.caller.request("DELETE", f"{path}/bulk", json=ids)).status_code == 200
        counts.append(shop.counted())
        row = (await shop.caller.post(path, json={"title": "one"})).headers["Location"]
        counts.append(shop.counted())
        await shop.caller.patch(row, json={"title": "two"})
        counts.append(shop.counted())
        await shop.caller.delete(row)
        counts.append(shop.counted())
        return counts

    without = await taken("/quiet")
    assert await taken("/tasks") == [one + 1 for one in without]


async def test_by_hand(shop: Served) -> None:
    made = (await shop.caller.post("/tasks", json={"title": "a"})).json()
    assert (await shop.caller.post(f"/by-hand/{made['id']}")).status_code == 200
    assert [(one.kind, one.user_id) for one in await told(shop)] == [("created", 5), ("updated", 5)]


async def test_what_is_marked_as_deleted_is_told_as_deleted(shop: Served) -> None:
    made = [(await shop.caller.post("/new-plans", json={"title": title})).json() for title in "ab"]
    one, two = (str(plan["id"]) for plan in made)
    await shop.caller.delete(f"/plans/{one}")
    await shop.caller.post(f"/plans/{one}/restore")
    await shop.caller.post(f"/plans/{one}/restore")  # it is there already
    await shop.caller.request("DELETE", "/plans/bulk", json=[int(one), int(two)])
    assert await summary(shop) == [
        ("created", one, 1, "a"),
        ("created", two, 1, "b"),
        ("deleted", one, 2, "a"),
        ("created", one, 3, "a"),
        ("deleted", one, 4, "a"),
        ("deleted", two, 2, "b"),
    ]


async def test_the_feed_of_an_owner(shop: Served) -> None:
    async with (
        following(shop.app, "/tasks/events", X_User="5") as mine,
        following(shop.app, "/tasks/events", X_User="6") as others,
    ):
        made = (await shop.caller.post("/tasks", json={"title": "a"}, headers={"X-Request-ID": "r-1"})).json()
        await shop.caller.post("/quiet", json={"title": "b"})
        await shop.caller.post("/tasks", json={"title": "c"}, headers={"X-User": "6"})
        await mine.has(1)
        await others.has(1)
    (event_,) = mine.read
    assert (event_.event, event_.data["data"], event_.data["version"]) == ("created", made, 1)
    assert [one.data["data"]["title"] for one in others.read] == ["c"]


async def test_the_feed_of_what_a_scope_narrows(shop: Served) -> None:
    async with (
        following(shop.app, "/plans/events", X_Team="1") as red,
        following(shop.app, "/plans/events", X_Team="2") as blue,
    ):
        made = [
            (await shop.caller.post("/new-plans", json={"title": title}, headers={"X-Team": team})).json()
            for title, team in (("a", "1"), ("b", "2"), ("c", "1"), ("d", "1"))
        ]
        moved = await shop.caller.patch(f"/plans/{made[2]['id']}", json={"team_id": 2})
        assert moved.status_code == 200
        both = await shop.caller.patch("/plans/bulk", json=[{"id": made[3]["id"], "team_id": 2}])
        assert [one["team_id"] for one in both.json()] == [2]
        await red.has(3)
        await blue.has(3)
    assert [one.data["data"]["title"] for one in red.read] == ["a", "c", "d"]
    assert [one.data["data"]["title"] for one in blue.read] == ["b", "c", "d"]


async def test_a_scope_without_a_visibility_has_no_feed(shop: Served) -> None:
    paths = shop.app.openapi()["paths"]
    assert "/unseen/events" not in paths
    assert "/quiet/events" not in paths
    await shop.caller.post("/unseen", json={"title": "a"})
    assert await told(shop) == []
    assert (await shop.caller.get("/unseen/events")).status_code == 404


async def test_its_ticket_and_its_document(shop: Served) -> None:
    issued = await shop.caller.post("/tasks/events/ticket")
    assert issued.status_code == 201
    assert datetime.fromisoformat(issued.json()["expires_at"]) > now()
    document = shop.app.openapi()["paths"]
    follow = document["/tasks/events"]["get"]
    assert follow["summary"] == "Follow resource tasks"
    assert {"200", "410", "503"} <= set(follow["responses"])
    assert "event: created" in follow["responses"]["200"]["content"]["text/event-stream"]["example"]
    assert document["/tasks/events/ticket"]["post"]["responses"]["201"]
    assert (await shop.caller.get("/tasks/events/ticket")).status_code == 405
    assert (await shop.caller.post("/tasks/events")).status_code == 405


async def test_what_is_left_out(shop: Served) -> None:
    class Resource(stanchion.Resource[Any]):
        session = shop.database.get_session
        events = Events(shop.database)

    tasks = Resource(Task, response=TaskResponse)
    everything = {route.path for route in tasks.router(prefix="/t").routes}  # type: ignore[attr-defined] # APIRoute
    assert "/t/events" in everything
    assert "/t/events/ticket" not in everything  # nobody is asked who he is
    less = {route.path for route in tasks.router(prefix="/t", without=["events"]).routes}  # type: ignore[attr-defined]
    assert less == everything - {"/t/events"}
    with pytest.raises(ValueError, match="no column 'team'"):
        Resource(Task, response=TaskResponse, visibility=Visibility("team", teams))


async def test_a_write_that_meets_a_reader(shop: Served) -> None:
    """A follower takes no connection that a writer waits for, and ends with its client."""
    async with following(shop.app, "/tasks/events", X_User="5") as mine:
        await asyncio.gather(*(shop.caller.post("/tasks", json={"title": str(one)}) for one in range(20)))
        await mine.has(20)
    assert sorted(one.data["data"]["title"] for one in mine.read) == sorted(map(str, range(20)))
    assert [int(one.id.partition("-")[0]) for one in mine.read] == sorted(
        int(one.id.partition("-")[0]) for one in mine.read
    )


class Step(SQLModel, table=True):
    metadata = MetaData()

    id: int | None = Field(default=None, primary_key=True)
    owner_id: int = Field(sa_column=Column(ForeignKey("users.id", ondelete="CASCADE")))
    plan_id: int = Field(sa_column=Column(ForeignKey("plans.id", ondelete="cascade")))
    task_id: int | None = Field(sa_column=Column(ForeignKey("tasks.id", ondelete="SET NULL")))
    parent_id: int | None = Field(sa_column=Column(ForeignKey("step.id", ondelete="RESTRICT")))


for parent in ("users", "plans", "tasks"):
    Table(parent, Step.metadata, Column("id", BigInteger, primary_key=True))


class StepResponse(Schema):
    id: int


def test_a_feed_warns_of_what_the_database_does_by_itself(sqlite_url: str) -> None:
    database = Database(sqlite_url)  # it is not asked

    class Resource(stanchion.Resource[Any]):
        session = database.get_session
        caller = get_caller
        events: ClassVar[Events | None] = Events(database)

    class Quiet(Resource):
        events = None

    steps = Resource(Step, response=StepResponse, owner="owner_id")
    with pytest.warns(UntoldWarning) as warned:
        steps.router(prefix="/steps")
    assert {one.filename for one in warned} == {__file__}
    said = [str(one.message) for one in warned]
    assert [one.partition(",")[0] for one in said] == [
        "Step.plan_id: where a row of plans goes",
        "Step.task_id: where a row of tasks goes",
    ]
    assert "ON DELETE CASCADE" in said[0]
    assert "ON DELETE SET NULL" in said[1]
    # No feed, nothing to tell: these would be errors here.
    steps.router(prefix="/steps", without=["events", "events_ticket"])
    Quiet(Step, response=StepResponse, owner="owner_id").router(prefix="/steps")
    # An owner whose rows become the service's own is seen by the service.
    with pytest.warns(UntoldWarning) as warned:
        Resource(Step, response=StepResponse, owner="task_id").router(prefix="/steps")
    names = [str(one.message).partition(":")[0] for one in warned]
    assert names == ["Step.owner_id", "Step.plan_id", "Step.task_id"]
