"""Orders: each is a row, an event, a job and a stored reply. With PAUSE it stops there, to be killed."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from stanchion import Caller, Database
from stanchion.database import on_commit
from stanchion.errors import handle_errors
from stanchion.events import Events
from stanchion.idempotency import Idempotency, IdempotentRoute
from stanchion.jobs import JobContext, Jobs, Worker

database = Database(os.environ["DATABASE_URL"])
events = Events(database)
jobs = Jobs(database)
SessionDep = Annotated[AsyncSession, Depends(database.get_session)]


class Order(SQLModel, table=True):
    __tablename__ = "orders"

    id: int | None = Field(default=None, primary_key=True)
    item: str


class Receipt(SQLModel, table=True):
    __tablename__ = "receipts"

    id: int | None = Field(default=None, primary_key=True)
    order_id: int


@jobs.job()
async def write_receipt(context: JobContext, order_id: int) -> None:
    """What follows from an order."""
    session = await context.session()
    session.add(Receipt(order_id=order_id))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with database.engine.begin() as connection:  # in a project `stanchion migrate` does it
        await connection.run_sync(SQLModel.metadata.create_all)
    async with Worker(jobs, lease=2).running():
        yield
    await database.close()


def pause(moment: str) -> None:
    """Stop the whole process here, if this is the moment: the next that it hears is kill -9."""
    if os.environ.get("PAUSE") == moment:
        print(f"PAUSE {moment}", flush=True)
        time.sleep(600)


async def get_caller() -> Caller:
    """In a project this is its KeyGuard."""
    return Caller(key_id=None, user_id=1)


idempotency = Idempotency(database, caller=get_caller)
router = APIRouter(route_class=IdempotentRoute)


@router.post("/orders", status_code=201, dependencies=[Depends(idempotency)])
async def create_order(item: str, session: SessionDep) -> dict[str, int | str]:
    """Write an order, tell of it, and ask for its receipt: one transaction."""
    order = Order(item=item)
    session.add(order)
    await session.flush()
    assert order.id is not None, "the database gave it"
    await events.append(session, "order", "created", key=str(order.id), data={"item": item})
    await jobs.enqueue(session, write_receipt, order.id)
    on_commit(session, pause, "after the commit")
    pause("before the commit")
    return {"id": order.id, "item": item}


app = FastAPI(title="Orders", lifespan=lifespan)
handle_errors(app)
app.include_router(router)
