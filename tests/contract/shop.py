"""A small backend whose POST is safe to send again, for servers that a test kills: DIE says when."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, Request, Response
from sqlalchemy import Column, Integer, MetaData, String, Table, insert
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stanchion import Caller, Database
from stanchion.errors import handle_errors
from stanchion.idempotency import Idempotency, IdempotentRoute
from stanchion.stack import function_stack

metadata = MetaData()
orders = Table(
    "orders",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("item", String(50), nullable=False),
    Column("made_by", Integer, nullable=False),
)

DIE = os.environ.get("DIE", "")
"""`before`: the reply is stored, and nothing committed; `after`: all is committed, and no byte has left."""

database = Database(os.environ["DATABASE_URL"])


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield
    await database.close()


app = FastAPI(lifespan=lifespan)
handle_errors(app)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def dying(message: Message) -> None:
            if DIE == "after" and scope["method"] == "POST":
                die()
            await send(message)

        await self.app(scope, receive, dying if scope["type"] == "http" else send)


app.add_middleware(DyingMiddleware)


async def get_caller() -> Caller:
    return Caller(key_id=1, user_id=1)


SessionDep = Annotated[AsyncSession, Depends(database.get_session)]


async def die_before_the_commit(request: Request, _: SessionDep) -> None:
    if DIE == "before":
        function_stack(request).callback(die)  # it is popped before the session, which is below it


idempotent = Idempotency(database, caller=get_caller)
router = APIRouter(route_class=IdempotentRoute)


@router.post("/orders", status_code=201, dependencies=[Depends(idempotent), Depends(die_before_the_commit)])
async def create_order(
    item: Annotated[str, Body(embed=True)], response: Response, session: SessionDep
) -> dict[str, Any]:
    made = insert(orders).values(item=item, made_by=os.getpid()).returning(orders.c.id)
    number = (await session.execute(made)).scalar_one()
    response.headers["Location"] = f"/orders/{number}"
    return {"id": number, "item": item, "made_by": os.getpid()}


@router.get("/health")
async def health() -> None: ...


app.include_router(router)
