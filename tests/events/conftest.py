"""A feed by hand in a plain app, on each database."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header
from sqlalchemy import text

from stanchion import Caller, Database
from stanchion.errors import handle_errors
from stanchion.events import Change, Events, EventStream
from stanchion.security import KeyGuard
from stanchion.signing import sign_with


@dataclass
class Feeds:
    """An app with feeds, and what writes to their log."""

    app: FastAPI
    database: Database
    events: Events
    guard: KeyGuard

    async def write(self, *keys: object, topic: str = "word", kind: str = "created", **of: Any) -> None:
        """Commit events, all in one transaction."""
        async with self.database.transaction() as session:
            changes = [Change(str(key), f'"{key}"', **of) for key in keys]
            await self.events.append_all(session, topic, kind, changes)


async def get_caller(x_user: Annotated[int | None, Header()] = None) -> Caller:
    return Caller(None, x_user)


async def get_teams(x_teams: Annotated[str, Header()] = "") -> list[str]:
    return x_teams.split()


def make(database: Database, **options: Any) -> Feeds:
    events = Events(database, **options)
    guard = KeyGuard(database)
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of these feeds")
    for path, dependency in {
        "/words/events": events.subscription("word"),
        "/notes/events": events.subscription("note", caller=get_caller, owned=True),
        "/plans/events": events.subscription("plan", caller=get_caller, visible=get_teams),
        "/secrets/events": events.subscription("secret", caller=guard, owned=True),
    }.items():

        async def follow(stream: Annotated[EventStream, Depends(dependency)]) -> EventStream:
            return stream

        app.add_api_route(path, follow, response_class=EventStream)

    issued = events.ticket(caller=guard)
    app.add_api_route("/secrets/events/ticket", issued, methods=["POST"], status_code=201)
    return Feeds(app, database, events, guard)


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    database = Database(migrated_url)
    async with database.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE words (id INTEGER PRIMARY KEY, version INTEGER)"))
    yield database
    await database.close()


@pytest.fixture
def feeds(database: Database) -> Feeds:
    return make(database)
