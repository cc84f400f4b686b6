"""What an import holds while it arrives: bounded memory, little disk, one of a few places."""

import errno
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from tests.resource.conftest import Customer, CustomerBody, CustomerResponse, Served

import stanchion
from stanchion.errors import handle_errors
from stanchion.resource import kinds, records, spool
from stanchion.resource.intake import Intake
from stanchion.resource.records import JSONReader
from stanchion.testing import client

pytestmark = pytest.mark.anyio

NDJSON = {"Content-Type": "application/x-ndjson"}


class Body(BaseModel):
    title: str
    note: str | None = None
    due: date | None = None


class Response(Body):
    id: int


def intake() -> Intake:
    return Intake(JSONReader(Body, Response).records())


def test_of_long_lines_a_batch_has_few() -> None:
    line = b'{"title": "' + b"x" * 300_000 + b'"}\n'
    short = b'{"title": "a"}\n' * 2500
    with intake() as taken:
        for content in (line * 10, short):
            for start in range(0, len(content), 64 * 1024):
                taken.feed(content[start : start + 64 * 1024])
        taken.end()
        batches = list(taken.batches())
        assert batches == list(taken.batches())  # they can be read again
    assert [len(batch) for batch in batches] == [2, 2, 2, 2, 2, 1000, 1000, 500]
    assert [number for batch in batches for number, _ in batch] == list(range(1, 2511))


def test_the_spool_is_no_larger_than_what_was_sent() -> None:
    content = b"".join(
        b'{"title": "%d"}\n' % number if number % 2 else b'{"title": "a", "due": "2026-01-31"}\n'
        for number in range(5000)
    )
    with intake() as taken:
        taken.feed(content)
        taken.end()
        kept = taken._spool.size
        rows = [values for batch in taken.batches() for _, values in batch]
    assert rows[:2] == [{"title": "a", "due": date(2026, 1, 31)}, {"title": "1"}]
    assert len(rows) == 5000
    assert kept < len(content)


def customers(shop: Served, **attributes: Any) -> FastAPI:
    kind = type("Resource", (stanchion.Resource,), {"session": shop.database.get_session, **attributes})
    app = FastAPI()
    handle_errors(app)
    app.include_router(
        kind(Customer, create=CustomerBody, response=CustomerResponse).router(prefix="/customers")
    )
    return app


async def test_a_process_takes_in_a_few_at_once(shop: Served) -> None:
    arrives, is_refused, answers = anyio.Event(), anyio.Event(), list[Any]()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"name": "a"}\n'
        arrives.set()
        await is_refused.wait()
        yield b'{"name": "b"}\n'

    async with client(customers(shop, max_imports=1)) as caller, anyio.create_task_group() as tasks:

        async def first() -> None:
            made = await caller.post("/customers/import", content=slowly(), headers=NDJSON)
            answers.append(made)

        tasks.start_soon(first)
        await arrives.wait()
        answers.append(await caller.post("/customers/import", content=b'{"name": "c"}', headers=NDJSON))
        is_refused.set()
    refused, made = answers
    assert (refused.status_code, refused.json()["error"]) == (503, "too_many_imports")
    assert int(refused.headers["Retry-After"]) >= 1
    assert made.json() == {"imported": 2}
    async with client(customers(shop, max_imports=1)) as caller:
        for content, status in ((b"{", 422), (b'{"name": "c"}', 201)):  # each gives its place back
            answer = await caller.post("/customers/import", content=content, headers=NDJSON)
            assert answer.status_code == status


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 503), (errno.EIO, 500)])
async def test_a_disk_that_is_full(
    shop: Served, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    class Full:
        def __init__(self, **_: Any) -> None:
            self.closed = False

        def write(self, _: bytes) -> int:
            raise OSError(number, "full")

        def close(self) -> None:
            raise OSError(number, "full")

    monkeypatch.setattr(spool, "SpooledTemporaryFile", Full)
    async with client(customers(shop), raise_app_exceptions=False) as caller:
        answer = await caller.post("/customers/import", content=b'{"name": "a"}', headers=NDJSON)
    assert answer.status_code == status
    if status == 503:
        assert answer.json()["error"] == "no_room"
        assert "Retry-After" in answer.headers


async def test_no_model_is_made_for_a_request(shop: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    app = customers(shop)

    def create_model(*_: Any, **__: Any) -> Any:
        raise AssertionError("A model is made.")

    monkeypatch.setattr(records, "create_model", create_model)
    monkeypatch.setattr(kinds, "create_model", create_model)
    async with client(app) as caller:
        for content, kind in ((b'{"name": "a"}', NDJSON), (b"name\nb", {"Content-Type": "text/csv"})):
            assert (await caller.post("/customers/import", content=content, headers=kind)).status_code == 201
