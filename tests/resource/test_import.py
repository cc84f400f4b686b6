"""Import: all the lines of a file or none, each bad one by its number; what was exported comes back."""

import json
from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any

import anyio
import pytest
from fastapi import Depends, FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.resource.conftest import (
    Customer,
    CustomerBody,
    CustomerResponse,
    Ink,
    Note,
    NoteBody,
    NoteResponse,
    Served,
)

import stanchion
from stanchion.app.body import BodyLimitMiddleware
from stanchion.app.slashes import answer_both_slashes
from stanchion.errors import ConflictError, DomainError, UnavailableError, handle_errors
from stanchion.resource import export, filing, imports, intake, records, spool
from stanchion.resource.lines import LONGEST
from stanchion.resource.writing import new
from stanchion.testing import client

pytestmark = pytest.mark.anyio

ADA, BOB = {"X-User": "1"}, {"X-User": "2"}
NDJSON, CSV = "application/x-ndjson", "text/csv"
FORMATS = pytest.mark.parametrize("kind", [NDJSON, CSV])


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BATCH", 20)
    monkeypatch.setattr(spool, "_IN_MEMORY", 1000)
    monkeypatch.setattr(export, "FIRST", 5)
    monkeypatch.setattr(export, "BATCH", 20)


async def send(
    shop: Served,
    content: Any,
    kind: str = NDJSON,
    what: str = "orders",
    who: dict[str, str] = ADA,
    **headers: str,
) -> Any:
    sent = content.encode() if isinstance(content, str) else content
    return await shop.caller.post(
        f"/v1/{what}/import", content=sent, headers={"Content-Type": kind, **who, **headers}
    )


async def refused(shop: Served, content: Any, kind: str = NDJSON, what: str = "orders") -> list[Any]:
    answer = await send(shop, content, kind, what)
    assert (answer.status_code, answer.json()["error"]) == (422, "validation_failed")
    return [(one["loc"], one["type"]) for one in answer.json()["errors"]]


def written(numbers: Any, kind: str) -> str:
    if kind == NDJSON:
        return "".join(f'{{"number": {number}}}\n' for number in numbers)
    return "number\r\n" + "".join(f"{number}\r\n" for number in numbers)


async def numbers(shop: Served, who: dict[str, str] = ADA) -> list[int]:
    listed = await shop.caller.get("/v1/orders/export?sort=number", headers=who)
    return [json.loads(line)["number"] for line in listed.text.splitlines()]


async def in_pieces(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@FORMATS
@pytest.mark.parametrize("count", [0, 1, 20, 150])
async def test_a_statement_for_each_batch(shop: Served, kind: str, count: int) -> None:
    shop.counted()
    answer = await send(shop, written(range(count), kind), kind)
    assert (answer.status_code, answer.json()) == (201, {"imported": count})
    # Each with a savepoint, which is taken and released.
    assert shop.counted() == -(-count // 20) * 3
    assert await numbers(shop) == list(range(count))
    assert await numbers(shop, BOB) == []


@FORMATS
async def test_an_empty_file(shop: Served, kind: str) -> None:
    for content in ("", "\n\r\n\n", "\ufeff"):
        assert (await send(shop, content, kind)).json() == {"imported": 0}
    assert (await send(shop, "number\n", CSV)).json() == {"imported": 0}


@pytest.mark.parametrize("size", [1, 7, 10**6])
async def test_it_comes_in_pieces(shop: Served, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_AT_ONCE", 10)
    lines = '\ufeff{"number": 1, "note": "é\\n"}\r\n\n{"number": 2}\n{"number": 3, "note": "x"}'
    assert (await send(shop, in_pieces(lines.encode(), size))).json() == {"imported": 3}
    table = '\ufeffnumber,note\r\n4,"a ""q"", é\r\nb"\r\n\r\n5,\n6,x'
    assert (await send(shop, in_pieces(table.encode(), size), f"{CSV}; charset=UTF-8")).json() == {
        "imported": 3
    }
    listed = (await shop.caller.get("/v1/orders?sort=number", headers=ADA)).json()
    assert [one["note"] for one in listed] == ["é\n", "", "x", 'a "q", é\r\nb', "", "x"]


async def test_each_bad_line_by_its_number(shop: Served) -> None:
    lines = [
        '{"number": 1}',
        '{"number": "x", "note": 5}',
        "",
        "{",
        "[1]",
        '{"number": 2, "odd": 1}',
        '{"note": "\\u0000", "number": 4}',
        '{"number": 3, "note": "\\ud800"}',
    ]
    assert await refused(shop, "\n".join(lines)) == [
        (["body", 2, "number"], "int_parsing"),
        (["body", 2, "note"], "string_type"),
        (["body", 4], "json_invalid"),
        (["body", 5], "model_type"),
        (["body", 6, "odd"], "extra_forbidden"),
        (["body", 7, "note"], "string_pattern_mismatch"),
        (["body", 8], "json_invalid"),
    ]
    assert await refused(shop, b'{"number": 1}\n{"note": "\xff", "number": 2}') == [
        (["body", 2], "json_invalid")
    ]
    table = 'number,note\n1,a\nx,\n"2",b,c\n3,"a\nb"\ny,\n4,"a" b\n5,\x00\n,z\n6,"a\n'
    assert await refused(shop, table, CSV) == [
        (["body", 3, "number"], "int_parsing"),
        (["body", 4], "csv_cells"),
        (["body", 7, "number"], "int_parsing"),
        (["body", 8], "csv_invalid"),
        (["body", 9, "note"], "string_pattern_mismatch"),
        (["body", 10, "number"], "missing"),
        (["body", 11], "csv_invalid"),
    ]
    assert await refused(shop, b"number,note\n1,a\n2,\xff\n3,b", CSV) == [(["body", 3], "encoding")]
    assert await numbers(shop) == []


@FORMATS
async def test_the_first_hundred(shop: Served, kind: str) -> None:
    content = written(["1.5" if number % 2 else number for number in range(400)], kind)
    answer = await send(shop, content, kind)
    assert answer.json()["detail"] == "Nothing was imported: 100 or more lines are bad."
    first = 2 + (kind == CSV)
    assert [one["loc"] for one in answer.json()["errors"]] == [
        ["body", line, "number"] for line in range(first, first + 200, 2)
    ]


@FORMATS
async def test_a_line_that_is_too_long(shop: Served, kind: str) -> None:
    long = "x" * LONGEST
    lines = {
        NDJSON: f'{{"number": 1}}\n{{"note": "{long}"}}\n{{"number": "x"}}\n{{"note": "{long}"}}',
        CSV: f'number,note\n2,{long}\nx,\n3,"{long[: LONGEST // 2]}\n{long[: LONGEST // 2]}"\ny,',
    }
    first, bad, last = {NDJSON: (2, [3], 4), CSV: (2, [3, 6], 4)}[kind]
    found = await refused(shop, lines[kind], kind)
    assert (["body", first], "line_too_long") in found
    assert (["body", last], "line_too_long") in found
    assert [["body", line, "number"] in [loc for loc, _ in found] for line in bad] == [True] * len(bad)
    fits = "y" * (LONGEST - 100)
    content = {NDJSON: f'{{"number": 1, "note": "{fits}"}}', CSV: f'number,note\n1,"{fits}"'}
    assert (await send(shop, content[kind], kind)).json() == {"imported": 1}


async def test_the_header_names_fields(shop: Served) -> None:
    assert await refused(shop, "number,odd,note,odd\nx\ny\n", CSV) == [
        (["body", 1, "odd"], "extra_forbidden"),
        (["body", 1, "odd"], "extra_forbidden"),
    ]
    assert await refused(shop, "\nnumber,number\nx", CSV) == [(["body", 2, "number"], "csv_header")]
    assert await refused(shop, "note\na", CSV) == [(["body", 2, "number"], "missing")]
    assert await refused(shop, "number\n1", NDJSON) == [
        (["body", 1], "json_invalid"),
        (["body", 2], "model_type"),
    ]


@FORMATS
async def test_what_the_database_refuses(shop: Served, kind: str) -> None:
    assert (await send(shop, written([5, 7], kind), kind)).status_code == 201
    first = 1 + (kind == CSV)
    taken = await send(shop, written([*range(100, 130), 7, 100, 131], kind), kind)
    assert (taken.status_code, taken.json()["error"]) == (409, "already_exists")
    assert taken.json()["detail"].startswith("Nothing was done: 2 items are bad. ")
    assert [one["loc"] for one in taken.json()["errors"]] == [
        ["body", first + 30, "number"],
        ["body", first + 31, "number"],
    ]
    unknown = {
        NDJSON: '{"number": 1}\n{"number": 2, "customer_id": 999}\n{"number": 3}',
        CSV: "customer_id,number\n,1\n999,2\n,3",
    }[kind]
    answer = await send(shop, unknown, kind)
    assert (answer.status_code, answer.json()["error"]) == (422, "reference_not_found")
    assert [one["loc"] for one in answer.json()["errors"]] == [["body", first + 1, "customer_id"]]
    beyond = await send(shop, written([1, 2**70, 3], kind), kind)
    assert (beyond.status_code, beyond.json()["error"]) == (422, "validation_failed")
    assert [one["loc"] for one in beyond.json()["errors"]] == [["body", first + 1]]
    assert await numbers(shop) == [5, 7]


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"Content-Type": "application/json"}, ("Accept", f"{NDJSON}, {CSV}")),
        ({"Content-Type": ""}, ("Accept", f"{NDJSON}, {CSV}")),
        ({"Content-Type": f"{CSV}; charset=latin-1"}, ("Accept", f"{NDJSON}, {CSV}")),
        ({"Content-Type": NDJSON, "Content-Encoding": "gzip"}, ("Accept-Encoding", "identity")),
    ],
)
async def test_no_format_of_ours(shop: Served, headers: dict[str, str], told: tuple[str, str]) -> None:
    answer = await shop.caller.post("/v1/orders/import", content=b"x", headers={**ADA, **headers})
    assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_media_type")
    assert [one for one in answer.headers.items() if one[0].startswith("accept")] == [
        (told[0].lower(), told[1])
    ]
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_what_hooks_check_and_fill(shop: Served) -> None:
    locked = await send(shop, '{"title": "a"}', what="items", who={"X-Shelf": "locked"})
    assert locked.status_code == 403
    assert (await send(shop, "title\na\nb\n", CSV, "items", {"X-Shelf": "b"})).json() == {"imported": 2}
    listed = (await shop.caller.get("/v1/items", headers={"X-Shelf": "b"})).json()
    assert sorted((one["title"], one["shelf"]) for one in listed) == [("a", "b"), ("b", "b")]


async def test_an_item_is_not_called_import(shop: Served) -> None:
    assert (await shop.caller.get("/v1/orders/import", headers=ADA)).status_code == 405
    assert (await shop.caller.post("/v1/orders/export", headers=ADA)).status_code == 405


def big(shop: Served, limit: int, hook: Any = None) -> FastAPI:
    """An app with the limit of `install` on bodies, and an import with one of its own."""

    class Resource(stanchion.Resource[Any]):
        session = shop.database.get_session
        max_import_size = limit

    app = FastAPI()
    handle_errors(app)
    app.add_middleware(BodyLimitMiddleware, max_body_size=100)
    answer_both_slashes(app)
    customers = Resource(
        Customer, create=CustomerBody, update=CustomerBody, response=CustomerResponse, authorize=hook
    )
    app.include_router(customers.router(prefix="/customers"), prefix="/v1")
    return app


async def test_its_size_has_a_limit_of_its_own(shop: Served) -> None:
    content = "".join(f'{{"name": "c{number}"}}\n' for number in range(30)).encode()
    kind = {"Content-Type": NDJSON}
    async with client(big(shop, 2 * len(content))) as caller:
        for path in ("", "/"):
            assert (await caller.post(f"/v1/customers/bulk{path}", content=content)).status_code == 413
            cut = await caller.post(f"/v1/customers/import{path}", content=content[:-10], headers=kind)
            assert (cut.status_code, cut.json()["errors"][0]["loc"]) == (422, ["body", 30])
        made = await caller.post("/v1/customers/import", content=in_pieces(content, 50), headers=kind)
        assert made.json() == {"imported": 30}
        for body in (content * 3, in_pieces(content * 3, 50)):
            large = await caller.post("/v1/customers/import/", content=body, headers=kind)
            assert (large.status_code, large.json()["error"]) == (413, "content_too_large")
            assert large.headers["Content-Type"] == "application/problem+json"
            assert large.headers["Connection"] == "close"
        assert (await caller.put("/v1/customers/import", content=content)).status_code == 413


async def test_others_write_while_it_arrives(shop: Served) -> None:
    async def authorize(session: Annotated[AsyncSession, Depends(shop.database.get_session)]) -> None:
        await session.execute(select(Customer))

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"name": "a"}\n'
        with anyio.fail_after(3):
            made = await shop.caller.post("/v1/customers", json={"name": "b"})
        assert made.status_code == 201
        assert shop.database.engine.pool.checkedout() == 0  # type: ignore[attr-defined] # of the pools that queue
        yield b'{"name": "c"}\n'

    async with client(big(shop, 1000, authorize)) as caller:
        made = await caller.post("/v1/customers/import", content=slowly(), headers={"Content-Type": NDJSON})
    assert made.json() == {"imported": 2}
    assert [one["name"] for one in (await shop.caller.get("/v1/customers")).json()] == ["b", "a", "c"]


async def test_a_client_that_leaves(shop: Served) -> None:
    async def receive() -> Any:
        return next(messages)

    sent: list[Any] = []

    async def send_(message: Any) -> None:
        sent.append(message)

    messages = iter(
        [
            {"type": "http.request", "body": written(range(50), NDJSON).encode(), "more_body": True},
            {"type": "http.disconnect"},
        ]
    )
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/orders/import",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", NDJSON.encode()), (b"x-user", b"1")],
    }
    await shop.app(scope, receive, send_)
    assert sent[0]["status"] == 400
    assert await numbers(shop) == []


async def test_more_that_is_bad_is_only_received(shop: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_AT_ONCE", 10)
    content = written(["x"] * 150, NDJSON).encode()
    answer = await send(shop, in_pieces(content, 100))
    assert len(answer.json()["errors"]) == 100


async def test_what_is_too_deep(shop: Served) -> None:
    deep = "[" * 100_000
    assert await refused(shop, f"title,tags\na,{deep}", CSV, "notes") == [
        (["body", 2, "tags"], "json_invalid")
    ]
    assert await refused(shop, f'{{"title": "a", "tags": {deep}', what="notes") == [
        (["body", 1], "json_invalid")
    ]


@pytest.mark.parametrize(
    ("alone", "status"),
    [(UnavailableError(), 503), (None, 409)],
    ids=["the database is away", "only together"],
)
async def test_what_is_no_fault_of_a_line(
    shop: Served, monkeypatch: pytest.MonkeyPatch, alone: DomainError | None, status: int
) -> None:
    tried: list[int] = []

    async def insert(_: Any, rows: list[Any]) -> None:
        tried.append(len(rows))
        if len(rows) > 1:
            raise alone or ConflictError

    async def drive(_: Any, __: Any) -> bool:
        return False

    monkeypatch.setattr(filing.Filing, "_insert", insert)
    monkeypatch.setattr(filing.Filing, "_drive", drive)
    answer = await send(shop, written([1, 2], NDJSON))
    assert answer.status_code == status
    assert tried == ([2] if alone else [2, 1, 1])


async def test_no_more_than_a_hundred_are_tried(shop: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BATCH", 200)
    await send(shop, written(range(130), NDJSON))
    answer = await send(shop, written(range(130), NDJSON))
    assert (answer.status_code, len(answer.json()["errors"])) == (409, 100)


TEXTS = st.text(st.sampled_from("=+-@'\t\r\n\",; 1e.é\u2028\U0001f600\uff1d"), max_size=6) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=8
)
NOTES = st.builds(
    NoteBody,
    title=TEXTS,
    body=TEXTS,
    colour=st.none() | TEXTS,
    ink=st.sampled_from(Ink),
    weight=st.floats(allow_nan=False, allow_infinity=False),
    is_read=st.booleans(),
    due=st.none() | st.dates(min_value=date(1, 1, 1)),
    tags=st.lists(TEXTS, max_size=2),
)


@settings(
    max_examples=10,
    phases=[Phase.generate],  # to make a failure smaller takes the databases minutes
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(notes=st.lists(NOTES, max_size=50))
async def test_what_was_exported_comes_back(shop: Served, notes: list[NoteBody]) -> None:
    for name, kind in (("csv", CSV), ("ndjson", NDJSON)):
        await shop.caller.request("DELETE", "/v1/notes/bulk", json=await ids(shop))
        if notes:
            body = [one.model_dump(mode="json") for one in notes]
            made = await shop.caller.post("/v1/notes/bulk", json=body)
            assert made.status_code == 201, made.text
        exported = (await shop.caller.get(f"/v1/notes/export?format={name}")).content
        before = await everything(shop)
        await shop.caller.request("DELETE", "/v1/notes/bulk", json=await ids(shop))
        assert await everything(shop) == []
        made = await send(shop, exported, kind, "notes")
        assert (made.status_code, made.json()) == (201, {"imported": len(notes)}), made.text
        assert await everything(shop) == before == notes


async def ids(shop: Served) -> list[int]:
    async with shop.database.read() as session:
        return [int(one) for (one,) in await session.execute(text("SELECT id FROM resource_notes"))]


async def everything(shop: Served) -> list[NoteBody]:
    async with shop.database.read() as session:
        found = (await session.scalars(select(Note).order_by(text("id")))).all()
        return [NoteBody(**one.model_dump(exclude={"id"})) for one in found]


def test_both_readers_pass_over_what_only_the_server_fills() -> None:
    for reader, line in (
        (records.JSONReader(NoteBody, NoteResponse).records(), b'{"id": 7, "title": "a", "tags": ["b"]}'),
        (records.CSVReader(NoteBody, NoteResponse).records(), b'7,a,"[""b""]"'),
    ):
        assert list(reader.read(1, b"id,title,tags")) == [] or isinstance(reader, records.JSONRecords)
        assert list(reader.read(2, line)) == [(2, new(NoteBody(title="a", tags=["b"])))]


async def test_its_document(shop: Served) -> None:
    paths = shop.app.openapi()["paths"]
    assert "/v1/strict/import" not in paths  # it has no schema to make one by
    operation = paths["/v1/orders/import"]["post"]
    content = operation["requestBody"]["content"]
    assert set(content) == {NDJSON, CSV}
    assert content[CSV]["example"].startswith("number,note,customer_id\r\n7,")
    assert set(operation["responses"]) == {"201", "400", "409", "413", "415", "422", "503"}
    statuses = [(await send(shop, content[kind]["example"], kind)).status_code for kind in (NDJSON, CSV)]
    assert statuses == [201, 409]  # each can be sent; they hold the same
