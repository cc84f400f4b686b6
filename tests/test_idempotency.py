"""Idempotency-Key: what is sent again has the first reply, and nothing runs twice."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Annotated, Any

import anyio
import httpx2
import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Depends,
    FastAPI,
    HTTPException,
    Request,
    Response,
    UploadFile,
)
from fastapi.responses import JSONResponse, RedirectResponse, StreamingResponse
from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    event,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import FormData
from tests.databases import ENGINES, Renewable, renewable

from stanchion import Caller, Database
from stanchion.database import engine, now, sqlite
from stanchion.errors import ConflictError, NotFoundError, UnauthorizedError, handle_errors, responses
from stanchion.headers import headers
from stanchion.idempotency import Idempotency, IdempotentRoute, dependency, sent, store
from stanchion.testing import client

pytestmark = pytest.mark.anyio

KEY = {"Idempotency-Key": "5d9a4d0e"}

metadata = MetaData()
orders = Table(
    "orders",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("item", String(50), nullable=False, unique=True),
    Column("after", ForeignKey("orders.id", deferrable=True, initially="DEFERRED")),
)


@dataclass
class Shop:
    """An app with one endpoint that is safe to send again, as a reader would write it."""

    database: Database
    app: FastAPI = field(default_factory=FastAPI)
    ran: list[str] = field(default_factory=list)
    before_it_returns: Callable[[AsyncSession], Awaitable[Any]] | None = None

    def __post_init__(self) -> None:
        handle_errors(self.app)
        self.idempotent = Idempotency(self.database, caller=get_caller)
        self.router = APIRouter(route_class=IdempotentRoute, dependencies=[Depends(self.idempotent)])

    def include(self) -> None:
        self.app.include_router(self.router)

    async def insert(self, session: AsyncSession, item: str) -> int:
        self.ran.append(item)
        made = insert(orders).values(item=f"{item} {len(self.ran)}").returning(orders.c.id)
        number: int = (await session.execute(made)).scalar_one()
        return number

    async def count(self, table: Table = orders) -> int:
        async with self.database.read() as session:
            return await session.scalar(select(func.count()).select_from(table)) or 0


async def get_caller(request: Request) -> Caller:
    """Who the request says it is: the user, or the user and the key."""
    said = request.headers.get("X-Me", "7")
    if not said:
        raise UnauthorizedError
    user, _, key = said.partition("/")
    return Caller(key_id=int(key) if key else None, user_id=int(user))


async def create_tables(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.run_sync(store.metadata.create_all)


@pytest.fixture(scope="module", params=ENGINES)
def with_tables(request: pytest.FixtureRequest) -> Iterator[Renewable]:
    with renewable(request, create_tables) as one:
        yield one


@pytest.fixture
async def shop(with_tables: Renewable) -> AsyncIterator[Shop]:
    with_tables.renew()
    database = Database(with_tables.url)
    shop = Shop(database)
    session_of = Annotated[AsyncSession, Depends(database.get_session)]

    @shop.router.post("/orders/{place}", status_code=201)
    async def create(
        place: str, item: Annotated[str, Body(embed=True)], response: Response, session: session_of
    ) -> dict[str, Any]:
        number = await shop.insert(session, item)
        if shop.before_it_returns:
            await shop.before_it_returns(session)
        response.headers["Location"] = f"/orders/{place}/{number}"
        response.headers["ETag"] = '"1"'
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return {"id": number, "item": item, "place": place, "run": len(shop.ran)}

    shop.include()
    yield shop
    await database.close()


@pytest.fixture
async def caller(shop: Shop) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(shop.app, raise_app_exceptions=False) as caller:
        yield caller


async def send(
    caller: httpx2.AsyncClient, path: str = "/orders/a", item: str = "tea", **headers: str
) -> httpx2.Response:
    caller.cookies.clear()
    return await caller.post(path, json={"item": item}, headers=KEY | headers)


def error(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


async def test_what_is_sent_again_has_the_same_reply(shop: Shop, caller: httpx2.AsyncClient) -> None:
    first = await send(caller)
    assert (first.status_code, first.json()["run"]) == (201, 1)
    assert first.headers["Location"] == f"/orders/a/{first.json()['id']}"
    assert "Idempotent-Replayed" not in first.headers
    for _ in range(2):
        again = await send(caller)
        assert again.status_code == 201
        assert again.content == first.content
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.headers.multi_items() == [*first.headers.multi_items(), ("idempotent-replayed", "true")]
    assert (shop.ran, await shop.count()) == (["tea"], 1)


async def test_without_a_key_each_request_runs(shop: Shop, caller: httpx2.AsyncClient) -> None:
    for _ in range(2):
        assert (await caller.post("/orders/a", json={"item": "tea"})).status_code == 201
    assert (await shop.count(), await shop.count(store.replies)) == (2, 0)


@pytest.mark.parametrize(
    ("path", "item"), [("/orders/a", "coffee"), ("/orders/a?gift=yes", "tea"), ("/orders/a?", "tea ")]
)
async def test_a_key_is_for_one_request(shop: Shop, caller: httpx2.AsyncClient, path: str, item: str) -> None:
    await send(caller)
    again = await send(caller, path, item)
    assert error(again) == (422, "idempotency_key_reused")
    assert again.json()["errors"][0]["loc"] == ["header", "Idempotency-Key"]
    assert shop.ran == ["tea"]


@pytest.mark.parametrize(
    ("path", "me"), [("/orders/b", "7"), ("/orders/a", "8"), ("/orders/a", "7/1"), ("/orders/a", "8/1")]
)
async def test_a_key_is_the_callers_own_and_the_paths(
    shop: Shop, caller: httpx2.AsyncClient, path: str, me: str
) -> None:
    await send(caller, item="tea")
    for item in ("coffee", "coffee"):
        assert (await send(caller, path, item, **{"X-Me": me})).json()["item"] == item
    assert (await send(caller, item="tea")).json()["item"] == "tea"
    assert shop.ran == ["tea", "coffee"]


async def test_nobody_has_a_reply_who_may_not_ask(shop: Shop, caller: httpx2.AsyncClient) -> None:
    await send(caller)
    assert error(await send(caller, **{"X-Me": ""})) == (401, "unauthorized")
    # Also where the header itself is wrong: who asks comes first.
    assert error(await send(caller, **{"X-Me": "", "Idempotency-Key": ""})) == (401, "unauthorized")


@pytest.mark.parametrize("keys", [["!"], ["~" * 255], ['"quoted"']])
async def test_a_key(shop: Shop, caller: httpx2.AsyncClient, keys: list[str]) -> None:
    headers = [("Idempotency-Key", key) for key in keys]
    replies = [await caller.post("/orders/a", json={"item": "tea"}, headers=headers) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [201, 201]
    assert replies[0].content == replies[1].content


@pytest.mark.parametrize("keys", [[""], ["a" * 256], ["a b"], ["a\tb"], ["\xe4"], ["a", "a"], ["a", "b"]])
async def test_no_key(shop: Shop, caller: httpx2.AsyncClient, keys: list[str]) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1")) for key in keys]
    response = await caller.post("/orders/a", json={"item": "tea"}, headers=headers)
    assert error(response) == (422, "validation_failed")
    assert response.json()["errors"] == [
        {
            "loc": ["header", "Idempotency-Key"],
            "msg": "Idempotency-Key is 1 to 255 visible ASCII characters, sent once.",
            "type": "idempotency_key",
        }
    ]
    assert shop.ran == []


@pytest.mark.parametrize("refusal", [HTTPException(403), HTTPException(503), ValueError()])
@pytest.mark.usefixtures("logged")
async def test_what_was_refused_may_be_sent_again(
    shop: Shop, caller: httpx2.AsyncClient, refusal: Exception
) -> None:
    async def refuse(_: AsyncSession) -> None:
        raise refusal

    shop.before_it_returns = refuse
    assert (await send(caller)).status_code == getattr(refusal, "status_code", 500)
    assert (await shop.count(), await shop.count(store.replies)) == (0, 0)
    shop.before_it_returns = None
    assert (await send(caller, item="another")).status_code == 201
    assert (await send(caller, item="another")).headers["Idempotent-Replayed"] == "true"
    assert await shop.count() == 1


async def test_a_body_that_is_wrong_takes_no_key(shop: Shop, caller: httpx2.AsyncClient) -> None:
    assert error(await caller.post("/orders/a", json={}, headers=KEY)) == (422, "validation_failed")
    assert (await send(caller)).status_code == 201


async def test_a_commit_that_fails_takes_no_key(shop: Shop, caller: httpx2.AsyncClient) -> None:
    async def break_the_commit(session: AsyncSession) -> None:
        await session.execute(text("UPDATE orders SET after = 4711"))

    shop.before_it_returns = break_the_commit
    assert error(await send(caller)) == (409, "conflict")
    shop.before_it_returns = None
    assert (await send(caller)).status_code == 201
    assert await shop.count() == 1


async def test_a_refusal_that_is_returned_takes_no_key(shop: Shop) -> None:
    router = APIRouter(route_class=IdempotentRoute)

    @router.post("/", dependencies=[Depends(shop.idempotent)])
    async def refuse() -> Response:
        shop.ran.append("again")
        return JSONResponse({}, status_code=400 if len(shop.ran) <= 2 else 200)

    shop.app.include_router(router)
    async with client(shop.app) as caller:
        statuses = [
            (await caller.post("/", headers=with_key)).status_code for with_key in ({}, KEY, KEY, KEY)
        ]
    assert (statuses, len(shop.ran)) == ([400, 400, 200, 200], 3)


async def test_the_path_operation_may_roll_back_and_go_on(shop: Shop, caller: httpx2.AsyncClient) -> None:
    """As one does that inserts, and reads where that was refused."""

    async def roll_back(session: AsyncSession) -> None:
        await session.execute(insert(orders).values(item="tea again"))
        with pytest.raises(IntegrityError):
            await session.execute(insert(orders).values(item="tea again"))
        await session.rollback()

    shop.before_it_returns = roll_back
    first, again = await send(caller), await send(caller)
    assert (first.status_code, again.content) == (201, first.content)
    assert (shop.ran, await shop.count()) == (["tea"], 0)


async def test_two_that_roll_back_are_not_both_answered(shop: Shop, caller: httpx2.AsyncClient) -> None:
    """The claim is gone with the rest: in between another request has taken the key, and is through."""

    async def be_late(session: AsyncSession) -> None:
        await session.rollback()
        shop.before_it_returns = None
        assert (await send(caller)).status_code == 201
        await shop.insert(session, "too late")

    shop.before_it_returns = be_late
    assert error(await send(caller)) == (409, "idempotency_key_in_use")
    assert await shop.count() == 1
    assert (await send(caller)).headers["Idempotent-Replayed"] == "true"


async def test_a_claim_that_was_committed_alone_is_never_run(shop: Shop, caller: httpx2.AsyncClient) -> None:
    """A path operation that commits in the middle, and fails: what it did is not known."""

    async def commit_and_fail(session: AsyncSession) -> None:
        await session.commit()
        raise HTTPException(500)

    shop.before_it_returns = commit_and_fail
    assert (await send(caller)).status_code == 500
    again = await send(caller)
    assert (*error(again), again.headers["Retry-After"]) == (409, "idempotency_key_in_use", "1")
    assert await shop.count() == 1


def later(monkeypatch: pytest.MonkeyPatch, **passed: float) -> None:
    for module in (store, dependency):
        monkeypatch.setattr(module, "now", lambda: now() + timedelta(**passed))


async def test_a_key_is_forgotten_after_a_day(
    shop: Shop, caller: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(caller)
    later(monkeypatch, hours=23, minutes=59)
    assert (await send(caller)).headers["Idempotent-Replayed"] == "true"
    later(monkeypatch, hours=24, minutes=1)
    for _ in range(2):
        assert (await send(caller, item="coffee")).json()["item"] == "coffee"
    assert shop.ran == ["tea", "coffee"]


async def put_expired(shop: Shop, rows: int) -> None:
    values = [
        {"scope": f"{row}", "fingerprint": "", "expires_at": now() - timedelta(hours=1)}
        for row in range(rows)
    ]
    async with shop.database.transaction() as session:
        await session.execute(insert(store.replies), values)


async def test_whoever_writes_sweeps_a_little(shop: Shop, caller: httpx2.AsyncClient) -> None:
    await put_expired(shop, 100)
    left = []
    for number in range(1, 18):
        await send(caller, **{"Idempotency-Key": f"k{number}"})
        left.append(await shop.count(store.replies) - number)
    assert left == [36] * 16 + [0]


async def test_a_sweep_waits_for_nobody(postgresql_url: str) -> None:
    shop = Shop(Database(postgresql_url))
    async with shop.database.engine.begin() as connection:
        await connection.run_sync(store.metadata.create_all)
    await put_expired(shop, 10)
    async with shop.database.transaction() as one, shop.database.transaction() as two:
        assert await store.sweep(one) == 10
        assert await store.sweep(two) == 0
    await shop.database.close()


async def answer_twins(shop: Shop, caller: httpx2.AsyncClient, hold: Exception | None) -> list[int]:
    """Send twice at once; the first is held until the second has been sent, and then ends with `hold`."""
    inside, go = anyio.Event(), anyio.Event()
    statuses: list[int] = []

    async def wait(_: AsyncSession) -> None:
        shop.before_it_returns = None
        inside.set()
        await go.wait()
        if hold:
            raise hold

    async def post() -> None:
        statuses.append((await send(caller)).status_code)

    shop.before_it_returns = wait
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(post)
        await inside.wait()
        tasks.start_soon(post)
        await anyio.wait_all_tasks_blocked()
        go.set()
    return statuses


async def test_a_twin_waits_and_has_the_same_reply(shop: Shop, caller: httpx2.AsyncClient) -> None:
    assert await answer_twins(shop, caller, None) == [201, 201]
    assert (shop.ran, await shop.count()) == (["tea"], 1)


async def test_a_twin_runs_where_the_first_was_refused(shop: Shop, caller: httpx2.AsyncClient) -> None:
    assert sorted(await answer_twins(shop, caller, HTTPException(404))) == [201, 404]
    assert (shop.ran, await shop.count()) == (["tea", "tea"], 1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine.PATIENCE, "lock_timeout", "50ms")
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.05)


@pytest.mark.usefixtures("impatient")
async def test_a_twin_does_not_wait_for_ever(shop: Shop, caller: httpx2.AsyncClient) -> None:
    seen: list[httpx2.Response] = []

    async def send_the_twin(_: AsyncSession) -> None:
        seen.append(await send(caller))

    shop.before_it_returns = send_the_twin
    assert (await send(caller)).status_code == 201
    on_sqlite = shop.database.url.get_backend_name() == "sqlite"
    busy = (503, "database_busy") if on_sqlite else (409, "idempotency_key_in_use")
    assert (error(seen[0]), seen[0].headers["Retry-After"]) == (busy, "1")
    assert shop.ran == ["tea"]


async def test_what_it_costs(shop: Shop, caller: httpx2.AsyncClient) -> None:
    """Nothing without a key; with one the claim and the reply, or the claim that fails and the row."""
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    async def cost(item: str, headers: dict[str, str]) -> int:
        statements.clear()
        assert (await caller.post("/orders/a", json={"item": item}, headers=headers)).status_code == 201
        return sum("stanchion_replies" in statement for statement in statements)

    await send(caller, **{"Idempotency-Key": "the-first-sweeps"})
    event.listen(shop.database.engine.sync_engine, "before_cursor_execute", note)
    assert [await cost("a", {}), await cost("b", KEY), await cost("b", KEY)] == [0, 2, 2]


async def test_what_the_reply_holds(shop: Shop) -> None:
    """Any status below 400, without a body too; its background task has run."""
    router = APIRouter(route_class=IdempotentRoute, dependencies=[Depends(shop.idempotent)])

    @router.post("/nothing", status_code=204)
    async def nothing(tasks: BackgroundTasks) -> None:
        tasks.add_task(shop.ran.append, "background")

    @router.post("/elsewhere")
    async def elsewhere() -> Response:
        return RedirectResponse("/orders/1", status_code=303)

    @router.post("/view")
    async def view() -> Response:
        return Response(memoryview(b"abc"), media_type="text/plain")

    shop.app.include_router(router, prefix="/more")
    async with client(shop.app) as caller:
        for path, status in (("nothing", 204), ("elsewhere", 303), ("view", 200)):
            first, again = [await caller.post(f"/more/{path}", headers=KEY) for _ in range(2)]
            assert (first.status_code, again.status_code, again.content) == (status, status, first.content)
            assert again.headers.multi_items() == [
                *first.headers.multi_items(),
                ("idempotent-replayed", "true"),
            ]
    assert shop.ran == ["background"]


@pytest.mark.parametrize(
    ("answer", "headers", "said"),
    [
        (lambda: StreamingResponse(iter(["a"])), {}, "A StreamingResponse cannot be given again"),
        (lambda: StreamingResponse(iter(["a"])), KEY, "A StreamingResponse cannot be given again"),
        (
            lambda: Response(b"a" * (8 * 1024 * 1024 + 1)),
            KEY,
            "A reply of 8388609 bytes is too large to store",
        ),
    ],
)
@pytest.mark.usefixtures("logged")
async def test_a_reply_that_cannot_be_given_again_is_a_fault(
    shop: Shop, answer: Callable[[], Response], headers: dict[str, str], said: str
) -> None:
    session_of = Annotated[AsyncSession, Depends(shop.database.get_session)]
    router = APIRouter(route_class=IdempotentRoute)

    @router.post("/", dependencies=[Depends(shop.idempotent)])
    async def create(session: session_of) -> Response:
        await shop.insert(session, "tea")
        return answer()

    shop.app.include_router(router)
    async with client(shop.app) as caller:
        with pytest.raises(RuntimeError, match=said):
            await caller.post("/", headers=headers)
    assert await shop.count() == 0


async def test_how_large_a_reply_may_be(shop: Shop) -> None:
    router = APIRouter(route_class=IdempotentRoute)
    small, large = [Idempotency(shop.database, caller=get_caller, max_size=max_size) for max_size in (10, 20)]

    @router.post("/small", dependencies=[Depends(small)])
    @router.post("/large", dependencies=[Depends(large)])
    async def create() -> Response:
        return Response(b"a" * 20)

    shop.app.include_router(router)
    async with client(shop.app) as caller:
        assert (await caller.post("/small")).content == b"a" * 20
        assert [(await caller.post("/large", headers=KEY)).content for _ in range(2)] == [b"a" * 20] * 2
        with pytest.raises(RuntimeError, match="20 bytes"):
            await caller.post("/small", headers=KEY)


async def test_a_route_of_another_class_is_a_fault(shop: Shop) -> None:
    @shop.app.post("/", dependencies=[Depends(shop.idempotent)])
    async def create() -> None: ...

    async with client(shop.app) as caller:
        with pytest.raises(RuntimeError, match=r"route_class=IdempotentRoute"):
            await caller.post("/")


async def test_a_get_has_nothing_to_do_with_it(shop: Shop) -> None:
    router = APIRouter(route_class=IdempotentRoute, dependencies=[Depends(shop.idempotent)])

    @router.get("/")
    async def read() -> Response:
        return StreamingResponse(iter(["a"]))

    shop.app.include_router(router)
    async with client(shop.app) as caller:
        replies = [await caller.get("/", headers={"Idempotency-Key": ""}) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [200, 200]


class ReadAsForm(Request):
    """What FastAPI leaves of a request whose form it has parsed, without the parser."""

    fields: FormData

    async def form(self, **_: Any) -> FormData:  # type: ignore[override] # the real one can be entered too
        return self.fields


async def read_form(content: bytes, name: str = "one") -> Request:
    async def receive() -> Any:
        return {"type": "http.request", "body": b"the boundary differs each time"}

    request = ReadAsForm({"type": "http", "headers": [], "query_string": b""}, receive)
    assert [chunk async for chunk in request.stream()][1:] == [b""]
    file = UploadFile(BytesIO(content), filename="a.txt")
    request.fields = FormData([("name", name), ("name", "two"), ("file", file)])
    return request


async def test_a_form_counts_by_its_fields() -> None:
    large = b"a" * 200_000
    request = await read_form(large)
    first = await sent.fingerprint(request)
    file = (await request.form())["file"]
    assert isinstance(file, UploadFile)
    assert await file.read() == large, "the path operation reads it after us"
    assert await sent.fingerprint(await read_form(large)) == first
    assert await sent.fingerprint(await read_form(large, "another")) != first
    assert await sent.fingerprint(await read_form(large + b"b")) != first


async def test_overrides_of_the_caller_are_honoured(shop: Shop, caller: httpx2.AsyncClient) -> None:
    await send(caller)
    shop.app.dependency_overrides[get_caller] = lambda: Caller(key_id=None, user_id=9)
    assert "Idempotent-Replayed" not in (await send(caller)).headers
    assert len(shop.ran) == 2


async def test_it_is_documented(shop: Shop) -> None:
    router = APIRouter(route_class=IdempotentRoute)
    known = responses(ConflictError("Taken", "taken"), NotFoundError("No place", "no_place"))

    @router.post(
        "/a",
        status_code=201,
        dependencies=[Depends(shop.idempotent)],
        responses={201: headers("Location"), **known},
    )
    async def idempotent() -> None: ...

    @router.post("/b")
    async def not_idempotent() -> None: ...

    shop.app.include_router(router)
    async with client(shop.app) as caller:
        paths = (await caller.get("/openapi.json")).json()["paths"]
    operation = paths["/a"]["post"]
    [parameter] = operation["parameters"]
    assert (parameter["name"], parameter["in"], parameter["required"]) == ("Idempotency-Key", "header", False)
    assert parameter["schema"]["pattern"] == "^[!-~]{1,255}$"
    assert "same reply" in parameter["description"]
    documented = operation["responses"]
    assert set(documented) == {"201", "404", "409", "422"}
    assert set(documented["201"]["headers"]) == {"Location", "Idempotent-Replayed"}
    assert "Retry-After" in documented["409"]["headers"]
    problems = {
        status: set(documented[status]["content"]["application/problem+json"]["examples"])
        for status in ("404", "409", "422")
    }
    assert problems == {
        "404": {"no_place"},
        "409": {"taken", "idempotency_key_in_use"},
        "422": {"idempotency_key_reused", "validation_failed"},
    }
    assert set(paths["/b"]["post"]["responses"]) == {"200"}
    assert set(known[409]["content"]["application/problem+json"]["examples"]) == {"taken"}
