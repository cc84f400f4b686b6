"""Notes, with Stanchion: each user's own."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from fastapi import FastAPI
from pydantic import MISSING, AwareDatetime, BaseModel, Field
from sqlmodel import Field as Column
from sqlmodel import SQLModel

import stanchion
from stanchion import Database
from stanchion.database import UTCDateTime, now
from stanchion.errors import handle_errors
from stanchion.events import Events
from stanchion.idempotency import Idempotency
from stanchion.security import KeyGuard
from stanchion.signing import sign_with

database = Database(os.environ["DATABASE_URL"])
get_api_key = KeyGuard(database)


class Note(SQLModel, table=True):
    __tablename__ = "notes"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Column(default=None, primary_key=True)
    owner_id: int = Column(index=True)
    text: str
    pinned: bool = False
    version: int = 1
    created_at: datetime = Column(default_factory=now, sa_type=UTCDateTime)


class NoteCreate(BaseModel):
    text: str = Field(min_length=1, max_length=200)
    pinned: bool = False


class NoteUpdate(BaseModel):
    text: str | MISSING = Field(MISSING, min_length=1, max_length=200)
    pinned: bool | MISSING = MISSING


class NoteResponse(BaseModel):
    id: int
    text: str
    pinned: bool
    created_at: AwareDatetime


class Resource(stanchion.Resource[Any]):
    session = database.get_session
    caller = get_api_key
    idempotency = Idempotency(database, caller=get_api_key)
    events = Events(database)


notes = Resource(
    Note, create=NoteCreate, update=NoteUpdate, response=NoteResponse, owner="owner_id", filters=["pinned"]
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with database.engine.begin() as connection:  # in a project `stanchion migrate` does it
        await connection.run_sync(SQLModel.metadata.create_all)
    yield
    await database.close()


app = FastAPI(lifespan=lifespan)
handle_errors(app)
sign_with(app, "a secret of 32 characters or more, at random")
app.include_router(notes.router(prefix="/notes"))


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "healthy"}
