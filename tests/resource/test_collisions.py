"""Two requests that want the same rows: none is refused for it."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Header
from pydantic import BaseModel
from sqlalchemy import Column, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlmodel import Field, SQLModel

import stanchion
from stanchion import Caller, Database
from stanchion.database import BigID
from stanchion.errors import handle_errors
from stanchion.idempotency import Idempotency
from stanchion.idempotency.store import metadata
from stanchion.signing import sign_with
from stanchion.testing import client

pytestmark = pytest.mark.anyio


class Seat(SQLModel, table=True):
    __tablename__ = "collision_seats"

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    row: int
    version: int = 1


class SeatBody(BaseModel):
    row: int


class SeatResponse(SeatBody):
    id: int


async def get_caller() -> Caller:
    return Caller(1, None)


@pytest.fixture
async def database(postgresql_url: str) -> AsyncIterator[Database]:
    database = Database(postgresql_url)
    async with database.engine.begin() as connection:
        table = SQLModel.metadata.tables["collision_seats"]
        await connection.run_sync(SQLModel.metadata.create_all, tables=[table])
        await connection.run_sync(metadata.create_all)
        await connection.execute(table.insert(), [{"row": 0, "version": 1} for _ in range(2)])
    yield database
    await database.close()


def make(database: Database, **hooks: Any) -> FastAPI:
    class Resource(stanchion.Resource[Any]):
        session = database.get_session
        caller = get_caller
        idempotency = Idempotency(database, caller=get_caller)

    seats = Resource(Seat, create=SeatBody, update=SeatBody, response=SeatResponse, **hooks)
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of this hall")
    app.include_router(seats.router(prefix="/seats"))
    return app


async def waiting(database: Database) -> None:
    """Return when somebody waits for a lock."""
    async with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        query = text(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        async with asyncio.timeout(20):
            while not await connection.scalar(query):  # noqa: ASYNC110 - it happens in the server
                await asyncio.sleep(0.01)


async def crossed(other: AsyncConnection) -> bool:
    """Want the first seat too, and give up both; tell whether it was the request that was given up for it.

    The server ends the one of the two that looks first, after a second: on a busy machine that may be this.
    """
    seat = SQLModel.metadata.tables["collision_seats"]
    try:
        await other.execute(seat.update().where(seat.c.id == 1).values(version=7))
        await other.commit()
    except DBAPIError:
        await other.rollback()
        return False
    return True


async def rows(call: httpx2.AsyncClient) -> list[int]:
    return [one["row"] for one in (await call.get("/seats?sort=id")).json()]


async def test_a_deadlock_is_not_the_clients_affair(
    database: Database, logged: list[MutableMapping[str, Any]]
) -> None:
    """The request has the first seat and waits for the second; whoever has that then wants the first."""
    seat = SQLModel.metadata.tables["collision_seats"]
    async with client(make(database)) as call, database.engine.connect() as other:
        await other.execute(seat.update().where(seat.c.id == 2).values(version=7))
        asked = asyncio.create_task(call.patch("/seats/bulk", json=[{"id": n, "row": 5} for n in (1, 2)]))
        await waiting(database)
        given_up = await crossed(other)
        response = await asked
        assert (response.status_code, await rows(call)) == (200, [5, 5])
        assert ("again" in [one["event"] for one in logged]) == given_up


async def test_what_ran_again_is_stored_once(
    database: Database, logged: list[MutableMapping[str, Any]]
) -> None:
    """The claim of the key goes with what is rolled back, and is made again."""
    seat = SQLModel.metadata.tables["collision_seats"]

    async def both(
        session: Annotated[AsyncSession, Depends(database.get_session)], x_slow: Annotated[str, Header()] = ""
    ) -> None:
        for number in (1, 2) if x_slow else ():
            await session.execute(select(Seat).where(seat.c.id == number).with_for_update())

    async with client(make(database, authorize=both)) as call, database.engine.connect() as other:
        sent = {"Idempotency-Key": "k", "X-Slow": "1"}
        await other.execute(seat.update().where(seat.c.id == 2).values(version=7))
        asked = asyncio.create_task(call.post("/seats", json={"row": 9}, headers=sent))
        await waiting(database)
        given_up = await crossed(other)
        response = await asked
        again = await call.post("/seats", json={"row": 9}, headers=sent)
        assert (response.status_code, again.json()) == (201, response.json())
        assert "Idempotent-Replayed" in again.headers
        assert await rows(call) == [0, 0, 9]
        assert ("again" in [one["event"] for one in logged]) == given_up


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_rows_are_locked_in_one_order(database: Database, method: str) -> None:
    """Fifty that name the same rows in opposite orders, none of which has to run again."""
    deadlocks = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    async with client(make(database)) as call:
        ids = [one["id"] for one in (await call.post("/seats/bulk", json=[{"row": 1}] * 100)).json()]
        bodies = [ids, ids[::-1]] * 25
        if method == "PATCH":
            bodies = [[{"id": one, "row": 2} for one in body] for body in bodies]
        answers = await asyncio.gather(*(call.request(method, "/seats/bulk", json=one) for one in bodies))
    statuses = {one.status_code for one in answers}
    assert statuses == ({200} if method == "PATCH" else {200, 404})
    async with database.read() as session:
        assert await session.scalar(deadlocks) == 0
