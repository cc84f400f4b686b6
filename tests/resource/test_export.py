"""Export: every row of a list, in batches, in an order, and no further than the client reads."""

import csv
import json
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import anyio
import pytest
import uvicorn
from fastapi import Depends, FastAPI, Header
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlmodel import SQLModel, col
from tests.resource.conftest import Customer, CustomerResponse, OrderResponse, Served
from tests.serving import free_port

import stanchion
from stanchion import Database
from stanchion.errors import UnavailableError, handle_errors
from stanchion.resource import export
from stanchion.signing import sign_with
from stanchion.testing import client

pytestmark = pytest.mark.anyio

ADA, BOB = {"X-User": "1"}, {"X-User": "2"}
EXPORT = "/v1/orders/export"
Message = MutableMapping[str, Any]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "FIRST", 20)
    monkeypatch.setattr(export, "BATCH", 20)


async def make(shop: Served, count: int, who: dict[str, str] = ADA) -> None:
    body = [{"number": number, "note": f"n{number % 3}"} for number in range(count)]
    made = await shop.caller.post("/v1/orders/bulk", json=body, headers=who)
    assert made.status_code == 201, made.text
    shop.counted()


def lines(body: str) -> list[dict[str, Any]]:
    assert body == "" or body.endswith("\n")
    return [json.loads(line) for line in body.splitlines()]


def rows(body: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(body, newline="")))


@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 90])
async def test_every_row_once_in_a_statement_for_each_batch(shop: Served, count: int) -> None:
    await make(shop, 3, BOB)
    if count:
        await make(shop, count)
    answer = await shop.caller.get(EXPORT, headers=ADA)
    assert (answer.status_code, shop.counted()) == (200, count // 20 + 1)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="resource_orders.ndjson"'
    assert [one["number"] for one in lines(answer.text)] == list(range(count))
    listed = (await shop.caller.get("/v1/orders?limit=200", headers=ADA)).json()
    assert lines(answer.text) == listed


async def test_filters_and_sort_are_those_of_the_list(shop: Served) -> None:
    await make(shop, 90)
    answer = await shop.caller.get(f"{EXPORT}?note=n1&number__gte=10&sort=-number", headers=ADA)
    assert [one["number"] for one in lines(answer.text)] == [n for n in range(89, 9, -1) if n % 3 == 1]
    for query in ("limit=5", "offset=5", "cursor=x", "count=exact", "odd=1", "sort=odd", "format=xml"):
        refused = await shop.caller.get(f"{EXPORT}?{query}", headers=ADA)
        assert (refused.status_code, refused.json()["error"]) == (422, "validation_failed")
        assert refused.json()["errors"][0]["loc"] == ["query", query.partition("=")[0]]


async def test_csv(shop: Served) -> None:
    await make(shop, 45)
    answer = await shop.caller.get(f"{EXPORT}?format=csv", headers=ADA)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="resource_orders.csv"'
    assert answer.text.startswith("number,note,customer_id,id,created_at,updated_at\r\n0,n0,,")
    assert [one["number"] for one in rows(answer.text)] == [str(number) for number in range(45)]
    listed = (await shop.caller.get("/v1/orders?limit=200", headers=ADA)).json()
    assert [one["created_at"] for one in rows(answer.text)] == [one["created_at"] for one in listed]
    nobody = await shop.caller.get(f"{EXPORT}?format=csv", headers=BOB)
    assert nobody.text == "number,note,customer_id,id,created_at,updated_at\r\n"


async def test_no_cell_is_a_formula(shop: Served) -> None:
    notes = ["=1+1", "+1", "-1", "-5.5", "-1+1", "@A1", "\tx", "\rx", "\nx", "'", "''", "'=x", "'tis", "a=1"]
    body = [{"number": -index, "note": note} for index, note in enumerate(notes)]
    assert (await shop.caller.post("/v1/orders/bulk", json=body, headers=ADA)).status_code == 201
    found = rows((await shop.caller.get(f"{EXPORT}?format=csv", headers=ADA)).text)
    assert [one["number"] for one in found] == [str(-index) for index in range(len(notes))]
    assert [one["note"] for one in found] == [
        *("'=1+1", "'+1", "-1", "-5.5", "'-1+1", "'@A1", "'\tx", "'\rx", "'\nx"),
        *("''", "'''", "''=x", "'tis", "a=1"),
    ]


async def test_only_what_the_caller_may_see(shop: Served) -> None:
    await make(shop, 50)
    await make(shop, 30, BOB)
    assert len(lines((await shop.caller.get(EXPORT, headers=BOB)).text)) == 30
    for shelf in ("a", "b"):
        titles = [{"title": f"{shelf}{number}"} for number in range(25)]
        made = await shop.caller.post("/v1/items/bulk", json=titles, headers={"X-Shelf": shelf})
    await shop.caller.delete(f"/v1/items/{made.json()[0]['code']}", headers={"X-Shelf": "b"})
    found = lines((await shop.caller.get("/v1/items/export", headers={"X-Shelf": "b"})).text)
    assert sorted(one["title"] for one in found) == sorted(f"b{number}" for number in range(1, 25))


class Line:
    """A client that reads so much: what it is sent, and what it says."""

    def __init__(self, shop: Served, reads: Callable[[int], Awaitable[None]]) -> None:
        self.chunks: list[bytes] = []
        self.sent: list[Message] = []
        self.has_left = anyio.Event()
        self._shop, self._reads = shop, reads
        self._asked = False

    async def ask(self) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "path": EXPORT,
            "raw_path": EXPORT.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"x-user", b"1")],
        }
        await self._shop.app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.has_left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.chunks.append(message["body"])
            await self._reads(len(self.chunks))


async def test_a_client_that_leaves_stops_the_query(shop: Served) -> None:
    await make(shop, 200)

    async def reads(count: int) -> None:
        if count == 2:
            line.has_left.set()
            await anyio.sleep_forever()

    line = Line(shop, reads)
    with anyio.fail_after(20):
        await line.ask()
    assert (len(line.chunks), shop.counted()) == (2, 2)
    assert shop.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined] # of the pools that queue


async def test_nothing_is_held_while_a_client_reads_slowly(shop: Served) -> None:
    await make(shop, 50)
    held: list[int] = []

    async def reads(_: int) -> None:
        held.append(shop.database.engine.pool.checkedout())  # type: ignore[attr-defined] # of the pools that queue
        # Nor does it hold up a writer.
        made = await shop.caller.post("/v1/orders", json={"number": 1000 + len(held)}, headers=BOB)
        assert made.status_code == 201

    line = Line(shop, reads)
    await line.ask()
    assert held == [0, 0, 0]
    assert len(lines(b"".join(line.chunks).decode())) == 50


async def test_what_fails_in_the_middle_looks_incomplete(shop: Served) -> None:
    await make(shop, 50)

    async def reads(count: int) -> None:
        if count == 1:
            async with shop.database.transaction() as session:
                await session.execute(text("ALTER TABLE resource_orders RENAME TO elsewhere"))

    line = Line(shop, reads)
    with pytest.raises(Exception, match="resource_orders"):
        await line.ask()
    assert line.sent[0]["status"] == 200
    assert [one["more_body"] for one in line.sent[1:]] == [True]


@pytest.mark.parametrize("breaks", [True, False])
async def test_over_http_only_a_whole_file_has_a_last_chunk(
    shop: Served, monkeypatch: pytest.MonkeyPatch, breaks: bool
) -> None:
    await make(shop, 50)
    after = export.Walk.after

    async def some(walk: export.Walk, batch: export.Batch, limit: int) -> export.Batch:
        if breaks and batch.rows[-1].number > 30:
            raise UnavailableError
        return await after(walk, batch, limit)

    monkeypatch.setattr(export.Walk, "after", some)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(shop.app, port=port, lifespan="off", log_config=None))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve)
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await anyio.sleep(0.01)
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(
                f"GET {EXPORT} HTTP/1.1\r\nHost: a\r\nX-User: 1\r\nConnection: close\r\n\r\n".encode()
            )
            answer = b"".join([chunk async for chunk in stream])
        server.should_exit = True
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b'"number"') == (40 if breaks else 50)
    assert answer.endswith(b"0\r\n\r\n") is not breaks


async def test_what_fails_at_once_has_an_answer_of_its_own(shop: Served) -> None:
    async with shop.database.transaction() as session:
        await session.execute(text("ALTER TABLE resource_orders RENAME TO elsewhere"))
    async with client(shop.app, raise_app_exceptions=False) as caller:
        answer = await caller.get(EXPORT, headers=ADA)
    assert (answer.status_code, answer.json()["error"]) == (500, "internal_server_error")


def customers_of(kind: type[stanchion.Resource[Any]]) -> FastAPI:
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of this shop")
    app.include_router(kind(Customer, response=CustomerResponse).router(prefix="/customers"))
    return app


async def with_customers(database: Database, *names: str) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(
            SQLModel.metadata.create_all, tables=[SQLModel.metadata.tables["resource_customers"]]
        )
    async with database.transaction() as session:
        session.add_all(Customer(name=name) for name in names)


def narrow(state: ORMExecuteState) -> None:
    if tenant := state.session.info.get("tenant"):
        mine = with_loader_criteria(Customer, col(Customer.name).startswith(tenant))
        state.statement = state.statement.options(mine)


async def test_each_batch_is_read_as_the_project_prepares_it(database_url: str) -> None:
    own = Database(database_url)

    async def tenant_session(
        session: Annotated[AsyncSession, Depends(own.get_session)], x_tenant: Annotated[str, Header()]
    ) -> AsyncSession:
        session.info["tenant"] = x_tenant
        return session

    class WithoutSessions(stanchion.Resource[Any]):
        session = tenant_session

    with pytest.raises(ValueError, match="set `sessions` in the class"):
        customers_of(WithoutSessions)
    WithoutSessions(Customer, response=CustomerResponse).router(prefix="/customers", without=["export"])

    async def tenant_sessions(x_tenant: Annotated[str, Header()]) -> Any:
        @asynccontextmanager
        async def opened() -> AsyncIterator[AsyncSession]:
            async with own.read() as session:
                session.info["tenant"] = x_tenant
                yield session

        return opened

    class WithSessions(WithoutSessions):
        sessions = tenant_sessions

    await with_customers(own, *(f"{tenant}{number}" for number in range(150) for tenant in "ab"))
    event.listen(Session, "do_orm_execute", narrow)
    try:
        async with client(customers_of(WithSessions)) as caller:
            answer = await caller.get("/customers/export", headers={"X-Tenant": "a"})
    finally:
        event.remove(Session, "do_orm_execute", narrow)
    assert [one["name"] for one in lines(answer.text)] == [f"a{number}" for number in range(150)]
    await own.close()


async def test_an_override_stands_in_for_the_whole_file(shop: Served, tmp_path: Path) -> None:
    class Resource(stanchion.Resource[Any]):
        session = shop.database.get_session

    other = Database(f"sqlite:///{tmp_path}/other.db")
    names = [f"test{number}" for number in range(150)]
    await with_customers(shop.database, *(f"production{number}" for number in range(150)))
    await with_customers(other, *names)
    app = customers_of(Resource)

    async def get_session() -> AsyncIterator[AsyncSession]:
        async with other.read() as session:
            yield session

    async with client(app, raise_app_exceptions=False) as caller:
        app.dependency_overrides[shop.database.get_session] = other.get_session
        answer = await caller.get("/customers/export")
        assert [one["name"] for one in lines(answer.text)] == names
        app.dependency_overrides[shop.database.get_session] = get_session
        refused = await caller.get("/customers/export")
        assert (refused.status_code, refused.json()["error"]) == (500, "internal_server_error")
        assert len((await caller.get("/customers?limit=200")).json()) == 150
    await other.close()


async def test_wide_rows_come_in_small_batches(shop: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "FIRST", 4)
    monkeypatch.setattr(export, "BATCH", 1000)
    monkeypatch.setattr(export, "_AT_ONCE", 10_000)
    body = [{"number": number, "note": "x" * (2500 if number < 30 else 10)} for number in range(400)]
    assert (await shop.caller.post("/v1/orders/bulk", json=body, headers=ADA)).status_code == 201
    sizes: list[int] = []

    async def reads(count: int) -> None:
        sizes.append(line.chunks[count - 1].count(b"\n"))

    line = Line(shop, reads)
    await line.ask()
    assert sizes[:10] == [4, 3, 3, 3, 3, 3, 3, 3, 3, 3]
    assert sum(sizes) == 400
    assert max(sizes) < 100  # ten thousand bytes of narrow ones
    assert [after <= 10 * before for before, after in pairwise(sizes)] == [True] * (len(sizes) - 1)


async def test_its_document(shop: Served) -> None:
    operation = shop.app.openapi()["paths"][EXPORT]["get"]
    names = {one["name"] for one in operation["parameters"]}
    assert {"format", "sort", "number__gte", "note__icontains"} <= names
    assert not names & {"limit", "offset", "cursor", "count"}
    content = operation["responses"]["200"]["content"]
    assert set(content) == {"application/x-ndjson", "text/csv"}
    example = content["application/x-ndjson"]["example"]
    assert OrderResponse.model_validate_json(example).id == 7
    assert content["text/csv"]["example"].startswith("number,note,customer_id,id,created_at,updated_at\r\n7,")
    assert "Content-Disposition" in operation["responses"]["200"]["headers"]
    assert set(operation["responses"]) == {"200", "422", "503"}
