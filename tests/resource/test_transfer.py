"""Files in and out where no request is: what a job imports and exports, and for whom."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import BigInteger, Column, ForeignKey, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel
from tests.databases import ENGINES
from tests.resource.conftest import (
    Built,
    Customer,
    LineItem,
    LineItemBody,
    LineItemResponse,
    Order,
    OrderCreate,
    OrderResponse,
    Schema,
    authorize,
    building,
    get_caller,
    on_shelf,
    serving,
    tables,
)

import stanchion
from stanchion import Caller, Database
from stanchion.database import BigID
from stanchion.errors import DomainError
from stanchion.resource import FileFormat, export, intake

pytestmark = pytest.mark.anyio

ADA, BOB = Caller(None, 1), Caller(None, 2)


class Parcel(SQLModel, table=True):
    __tablename__ = "resource_parcels"

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    # CASCADE: it must not make orders of other tests what cannot be deleted.
    order_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("resource_orders.id", ondelete="CASCADE"), nullable=False)
    )


class ParcelBody(Schema):
    order_id: int


class ParcelResponse(ParcelBody):
    id: int


@pytest.fixture(scope="module", params=ENGINES)
def built(request: pytest.FixtureRequest) -> Iterator[Built]:
    with building(request, lambda _: FastAPI(), tables(Customer, Order, LineItem, Parcel)) as built:
        yield built


@pytest.fixture
async def database(built: Built, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    monkeypatch.setattr(intake, "BATCH", 20)
    monkeypatch.setattr(export, "BATCH", 20)
    async with serving(built) as served:
        yield served.database


def of(database: Database, model: type[Any], **options: Any) -> stanchion.Resource[Any]:
    class Resource(stanchion.Resource[Any]):
        session = database.get_session
        caller = get_caller

    return Resource(model, **options)


@pytest.fixture
def orders(database: Database) -> stanchion.Resource[Any]:
    return of(database, Order, create=OrderCreate, response=OrderResponse, owner="owner_id")


async def chunks(content: bytes, size: int = 100) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def take_in(
    resource: stanchion.Resource[Any], database: Database, content: bytes, form: FileFormat, caller: Caller
) -> int:
    """Import as a job does: in a session that is asked for when the file has been read."""
    async with database.transaction() as session:

        async def opened() -> AsyncSession:
            return session

        return await resource.import_rows(opened, chunks(content), format=form, caller=caller)


async def count(database: Database, model: type[Any] = Order) -> int:
    async with database.read() as session:
        return (await session.scalar(select(func.count()).select_from(model))) or 0


def lines(*numbers: int) -> bytes:
    return b"".join(json.dumps({"number": one, "note": f"nº {one}"}).encode() + b"\n" for one in numbers)


@pytest.mark.parametrize("form", ["ndjson", "csv"])
async def test_what_goes_out_comes_in(
    database: Database, orders: stanchion.Resource[Any], form: FileFormat
) -> None:
    assert await take_in(orders, database, lines(*range(70)), "ndjson", ADA) == 70
    pieces = [piece async for piece in orders.export_rows(database.read, format=form, caller=ADA)]
    assert sum(piece.rows for piece in pieces) == 70
    assert max(piece.rows for piece in pieces) == 20
    content = b"".join(piece.content for piece in pieces)
    assert [piece.rows async for piece in orders.export_rows(database.read, caller=BOB)] == [0]
    assert await take_in(orders, database, content, form, BOB) == 70
    of_bob = [piece async for piece in orders.export_rows(database.read, caller=BOB)]
    found = [json.loads(line) for piece in of_bob for line in piece.content.splitlines()]
    assert [(one["number"], one["note"]) for one in found] == [(one, f"nº {one}") for one in range(70)]


async def test_bad_lines_are_told_before_a_session_is_wanted(orders: stanchion.Resource[Any]) -> None:
    async def opened() -> AsyncSession:
        raise AssertionError("nothing is to be written")

    with pytest.raises(DomainError) as caught:
        await orders.import_rows(opened, chunks(lines(1) + b'{"number": "x"}\n'), caller=ADA)
    (error,) = caught.value.extensions["errors"]
    assert (caught.value.status, error["loc"]) == (422, ["body", 2, "number"])


async def test_all_lines_or_none(database: Database, orders: stanchion.Resource[Any]) -> None:
    await take_in(orders, database, lines(50), "ndjson", ADA)
    with pytest.raises(DomainError) as caught:
        await take_in(orders, database, lines(*range(60)), "ndjson", ADA)
    (error,) = caught.value.extensions["errors"]
    assert (caught.value.status, error["loc"][:2]) == (409, ["body", 51])
    assert await count(database) == 1


async def test_a_line_names_the_callers_rows_alone(
    database: Database, orders: stanchion.Resource[Any]
) -> None:
    await take_in(orders, database, lines(1), "ndjson", ADA)
    async with database.read() as session:
        order_id = await session.scalar(select(Order.__table__.c.id))  # type: ignore[attr-defined] # SQLModel's
    parcels = of(
        database, Parcel, create=ParcelBody, response=ParcelResponse, references={"order_id": orders}
    )
    line = json.dumps({"order_id": order_id}).encode()
    with pytest.raises(DomainError) as caught:
        await take_in(parcels, database, line, "ndjson", BOB)
    assert (caught.value.status, await count(database, Parcel)) == (422, 0)
    assert await take_in(parcels, database, line, "ndjson", ADA) == 1


async def test_what_only_a_request_can_be_asked(database: Database) -> None:
    common: dict[str, Any] = {"create": LineItemBody, "response": LineItemResponse}
    scoped = of(database, LineItem, scope=on_shelf, **common)
    guarded = of(database, LineItem, authorize=authorize, **common)
    for resource, name in ((scoped, "scope"), (guarded, "authorize")):
        with pytest.raises(ValueError, match=f"nobody can ask LineItem's '{name}'"):
            await take_in(resource, database, b'{"title": "a"}', "ndjson", ADA)
    with pytest.raises(ValueError, match="'scope'"):
        await anext(scoped.export_rows(database.read))
    assert [piece.rows async for piece in guarded.export_rows(database.read)] == [0]


async def test_whose_rows_must_be_said(database: Database, orders: stanchion.Resource[Any]) -> None:
    with pytest.raises(ValueError, match="say whose"):
        await anext(orders.export_rows(database.read))
    kept = of(database, Order, response=OrderResponse, owner="owner_id")
    with pytest.raises(ValueError, match="has no `create`"):
        await take_in(kept, database, b"", "ndjson", ADA)
