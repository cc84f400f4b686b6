"""Export: every row of a list, in batches, in an order, and no further than the client reads."""

import csv
import json
from collections.abc import Awaitable, Callable, MutableMapping
from io import StringIO
from typing import Any

import anyio
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import text
from sqlmodel import SQLModel
from tests.resource.conftest import (
    Customer,
    CustomerResponse,
    Order,
    OrderResponse,
    Served,
    get_caller,
)
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

    async def some(walk: export.Walk, row: Any) -> export.Batch:
        if breaks and row.number > 30:
            raise UnavailableError
        return await after(walk, row)

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


async def test_a_session_of_ones_own(sqlite_url: str) -> None:
    own = Database(sqlite_url)

    async def get_session() -> Any:
        async with own.transaction() as session:
            yield session

    class WithoutDatabase(stanchion.Resource[Any]):
        session = get_session
        caller = get_caller

    with pytest.raises(ValueError, match="set `database` in the class to a Database"):
        WithoutDatabase(Order, response=OrderResponse).router(prefix="/orders")
    WithoutDatabase(Order, response=OrderResponse).router(prefix="/orders", without=["export"])

    class WithDatabase(WithoutDatabase):
        database = own

    customers = WithDatabase(Customer, response=CustomerResponse)
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of this shop")
    app.include_router(customers.router(prefix="/customers"))
    async with own.engine.begin() as connection:
        await connection.run_sync(
            SQLModel.metadata.create_all, tables=[SQLModel.metadata.tables["resource_customers"]]
        )
    async with own.transaction() as session:
        session.add_all(Customer(name=f"c{number}") for number in range(25))
    async with client(app) as caller:
        answer = await caller.get("/customers/export")
        assert [one["name"] for one in lines(answer.text)] == [f"c{number}" for number in range(25)]
        assert (await caller.post("/customers/import")).status_code == 404
    await own.close()


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
