"""One write, one transaction: row, event, job and stored reply commit together, or none of them does."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import permutations
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI
from sqlalchemy import BigInteger, Column, ForeignKey, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel
from tests.databases import ENGINES, Renewable, renewable

from stanchion import Caller, Database
from stanchion.database import BigID, changes, migrations
from stanchion.errors import ConflictError, handle_errors
from stanchion.events import Events
from stanchion.idempotency import Idempotency, IdempotentRoute, store
from stanchion.jobs import Jobs
from stanchion.jobs import table as jobs_table
from stanchion.testing import client

pytestmark = pytest.mark.anyio

ORDERS = ["-".join(order) for order in permutations(("row", "event", "job"))]
KEY = {"Idempotency-Key": "k"}


class Deed(SQLModel, table=True):
    __tablename__ = "transaction_deeds"

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    # Looked at by the commit, and not before.
    after: int | None = Field(
        default=None,
        sa_column=Column(
            BigInteger, ForeignKey("transaction_deeds.id", deferrable=True, initially="DEFERRED")
        ),
    )


DEEDS = SQLModel.metadata.tables["transaction_deeds"]
TABLES = {"row": DEEDS, "event": changes.events, "job": jobs_table.jobs, "reply": store.replies}

FIRST = {"event": 1}
"""What a migration leaves in a table."""


async def get_caller() -> Caller:
    return Caller(1, 5)


@dataclass
class Notary:
    """The app, and what its database holds."""

    call: httpx2.AsyncClient
    database: Database

    async def held(self) -> dict[str, int]:
        async with self.database.read() as session:
            return {
                name: (await session.scalars(select(func.count()).select_from(table))).one()
                - FIRST.get(name, 0)
                for name, table in TABLES.items()
            }


def make(database: Database) -> FastAPI:
    events, jobs = Events(database), Jobs(database)
    router = APIRouter(route_class=IdempotentRoute)
    idempotency = Idempotency(database, caller=get_caller)

    @jobs.job()
    async def tell(deed: int) -> None: ...

    @router.post("/{order}/{end}", status_code=201, dependencies=[Depends(idempotency)])
    async def do(
        order: str, end: str, session: Annotated[AsyncSession, Depends(database.get_session)]
    ) -> str:
        for one in order.split("-"):
            if one == "row":
                session.add(Deed(after=2**40 if end == "commit" else None))
                await session.flush()
            elif one == "event":
                await events.append(session, "deed", "created", "1", {"id": 1})
            else:
                await jobs.enqueue(session, tell, 1)
            if end == one:
                raise ConflictError
        return order

    app = FastAPI()
    handle_errors(app)
    app.include_router(router)
    return app


@pytest.fixture(scope="module", params=ENGINES)
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[FastAPI, Database, Renewable]]:
    folder = tmp_path_factory.mktemp("app")

    async def fill(database: Database) -> None:
        url = database.url.render_as_string(hide_password=False)
        await asyncio.to_thread(migrations.upgrade, url, folder)
        async with database.engine.begin() as connection:
            await connection.run_sync(DEEDS.create)

    with renewable(request, fill) as one:
        database = Database(one.url)
        yield make(database), database, one


@pytest.fixture
async def notary(built: tuple[FastAPI, Database, Renewable]) -> AsyncIterator[Notary]:
    app, database, found = built
    found.renew()
    async with client(app) as call:
        yield Notary(call, database)
    await database.close()


@pytest.mark.parametrize("order", ORDERS)
async def test_all_of_it_is_there(notary: Notary, order: str) -> None:
    for _ in range(2):  # the second is the first one's reply
        answer = await notary.call.post(f"/{order}/well", headers=KEY)
        assert (answer.status_code, answer.json()) == (201, order)
    assert await notary.held() == {"row": 1, "event": 1, "job": 1, "reply": 1}


@pytest.mark.parametrize("end", ["row", "event", "job", "commit"])
@pytest.mark.parametrize("order", ORDERS)
async def test_nothing_of_it_is_there(notary: Notary, order: str, end: str) -> None:
    """It ends after this step, or the commit itself refuses, with the reply stored already."""
    refused = await notary.call.post(f"/{order}/{end}", headers=KEY)
    assert refused.status_code == 409
    assert await notary.held() == {"row": 0, "event": 0, "job": 0, "reply": 0}
    again: Any = await notary.call.post(f"/{order}/{end}", headers=KEY)
    assert "Idempotent-Replayed" not in again.headers  # it may be tried again, and runs
