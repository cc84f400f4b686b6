"""A shop: what it sells, and what was ordered of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from database import database
from routers import items, orders, users
from settings import settings
from stanchion import install


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await database.close()


app = FastAPI(title="Shop", lifespan=lifespan)
install(app, settings, database)
for module in (items, orders, users):
    app.include_router(module.router)
