"""Shells, which have an owner and a version, and tokens, which have neither; a spy on their short ways."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, SecretStr, field_validator
from sqlalchemy import BigInteger, Column, ForeignKey
from sqlmodel import Field, SQLModel, col

import stanchion
from stanchion import Database
from stanchion.app.head import HeadMiddleware
from stanchion.app.no_content import drop_type
from stanchion.app.private import keep_private
from stanchion.database import BigID, UTCDateTime, migrations, now
from stanchion.errors import ForbiddenError, handle_errors
from stanchion.events import Events
from stanchion.idempotency import Idempotency
from stanchion.routing import match_once
from stanchion.routing.short import Short, short_of
from stanchion.security import KeyGuard
from stanchion.signing import sign_with

SERVICE = "the service key of these shells"
EARLY = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


class User(SQLModel, table=True):
    __tablename__ = "short_users"

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True))


class Shell(SQLModel, table=True):
    __tablename__ = "short_shells"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True))
    owner_id: int | None = Field(default=None, sa_type=BigInteger)
    name: str = Field(unique=True)
    rank: int | None = None
    version: int = 1
    created_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)
    updated_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)


class Pearl(SQLModel, table=True):
    __tablename__ = "short_pearls"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True))
    shell_id: int = Field(sa_column=Column(BigInteger, ForeignKey("short_shells.id"), nullable=False))


class Token(SQLModel, table=True):
    """It has no version, and nobody owns it."""

    __tablename__ = "short_tokens"

    code: UUID = Field(primary_key=True)
    name: str = ""


class ShellCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    rank: int | None = None

    @field_validator("name")
    @classmethod
    def not_forbidden(cls, name: str) -> str:
        if name == "forbidden":
            raise ForbiddenError
        return name


class ShellResponse(BaseModel):
    id: int
    name: str
    rank: int | None
    created_at: AwareDatetime


class PearlBody(BaseModel):
    shell_id: int


class TokenBody(BaseModel):
    code: UUID
    name: str = ""


class Taken(list[str]):
    """What has become of each request that a short way was asked for: answered, raised, or left."""

    def spied(self, place: Any) -> Short | None:
        """Return the short way of a route, noted."""
        short = short_of(place)
        if short is None:
            return None

        async def noted(request: Request, body: Any) -> Response | None:
            self.append("raised")
            response = await short(request, body)
            self[-1] = "left" if response is None else "answered"
            return response

        return noted

    def told(self) -> str:
        """Return what there was since this was last asked."""
        said = " ".join(self)
        self.clear()
        return said


def resources(database: Database, caller: Any = None, **options: Any) -> tuple[Any, Any]:
    """Return the resources of both tables."""
    guard = caller or KeyGuard(database, service_key=SecretStr(SERVICE), users=col(User.id))

    class Resource(stanchion.Resource[Any]):
        session = database.get_session
        caller = guard
        events = Events(database)
        idempotency = Idempotency(database, caller=guard)

    class Open(stanchion.Resource[Any]):
        session = database.get_session

    own = {"owner": "owner_id", "filters": ["name"], "sort": ["name", "rank"]} | options
    return (
        Resource(Shell, create=ShellCreate, response=ShellResponse, **own),
        Open(Token, create=TokenBody, response=TokenBody, sort=["name"]),
    )


def bare(**options: Any) -> FastAPI:
    """Return an app without routes."""
    app = FastAPI(**options)
    handle_errors(app)
    sign_with(app, "the secret of these shells")
    app.add_middleware(HeadMiddleware, shapes=(keep_private, drop_type))
    match_once(app)
    return app


async def fill(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False)
    with TemporaryDirectory() as nothing_of_an_app:
        await anyio.to_thread.run_sync(migrations.upgrade, url, Path(nothing_of_an_app))
    made = [SQLModel.metadata.tables[f"short_{name}"] for name in ("users", "shells", "pearls", "tokens")]
    async with database.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all, tables=made)
    async with database.transaction() as session:
        session.add_all(User(id=number) for number in (1, 2))
        session.add_all(
            Shell(
                owner_id=1 if number % 3 else 2,
                name=f'"{number:02}" \u00e4\u2028\U0001f600\\',
                rank=number % 4 or None,
                version=number,
                created_at=EARLY,
                updated_at=EARLY,
            )
            for number in range(1, 13)
        )
        session.add(Token(code=UUID(int=7), name="seven"))
