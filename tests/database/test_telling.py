"""Telling: those who wait are woken after a commit, once for many."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest
from structlog.testing import capture_logs

from stanchion.database import Database, DatabaseUnavailableError, direct
from stanchion.database import telling as telling_of
from stanchion.database.telling import Telling
from stanchion.database.wakes import CHANNEL

pytestmark = pytest.mark.anyio

_OF_A_REQUEST: ContextVar[str] = ContextVar("of_a_request")


def slowly(said: list[str]) -> Callable[[str], Awaitable[Any]]:
    """Return what notes a topic when it was told of, which takes a moment."""

    async def notify(topic: str) -> None:
        await asyncio.sleep(0.01)
        said.append(topic)

    return notify


async def test_once_for_many() -> None:
    said: list[str] = []
    telling = Telling(slowly(said))
    for _ in range(5):
        telling.tell("a")
    telling.tell("b")
    await asyncio.sleep(0.005)
    telling.tell("a")  # while one of them is on its way
    await telling.close()
    assert sorted(said) in (["a", "a", "b"], ["a", "b"])
    telling.tell("a")
    await telling.close()
    assert said[-1] == "a"


async def test_what_comes_while_it_is_told_is_told_of_next() -> None:
    said: list[str] = []
    telling = Telling(slowly(said))
    telling.tell("a")
    await asyncio.sleep(0.005)
    telling.tell("a")
    await telling.close()
    assert said == ["a", "a"]


async def test_a_database_that_is_away_is_told_in_the_log() -> None:
    async def notify(topic: str) -> None:
        raise DatabaseUnavailableError

    telling = Telling(notify)
    with capture_logs() as lines:
        telling.tell("a")
        await telling.close()
    assert [line["event"] for line in lines] == ["not_told"]


async def test_what_nobody_expects_is_told_in_the_log_and_ends_nothing() -> None:
    asked: list[str] = []

    async def notify(topic: str) -> None:
        asked.append(topic)
        raise RuntimeError(topic)

    telling = Telling(notify)
    with capture_logs() as lines:
        telling.tell("a")
        telling.tell("b")
        await telling.close()
    assert sorted(asked) == ["a", "b"]
    assert [line["log_level"] for line in lines] == ["error"] * 2


async def test_it_is_in_nobodys_context() -> None:
    seen: list[str] = []

    async def notify(topic: str) -> None:
        seen.append(_OF_A_REQUEST.get("nobody's"))

    telling = Telling(notify)
    _OF_A_REQUEST.set("a request's")
    telling.tell("a")
    await telling.close()
    assert seen == ["nobody's"]


async def test_a_server_that_is_silent_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def notify(topic: str) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(telling_of, "_LONGEST", 0.01)
    telling = Telling(notify)
    telling.tell("a")
    await telling.close()
    await asyncio.sleep(0)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "stanchion.telling"]


def test_of_a_loop_that_is_gone_nobody_waits() -> None:
    said: list[str] = []
    telling = Telling(slowly(said))

    async def begin() -> None:
        telling.tell("a")

    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    (left,) = asyncio.all_tasks(loop)
    loop.close()

    async def again() -> None:
        telling.tell("b")
        await telling.close()
        await telling.close()

    asyncio.run(again())
    assert said == ["b"]
    left._log_destroy_pending = False  # type: ignore[attr-defined] # asyncio looks for it
    left.get_coro().close()  # nobody else will end it


async def test_what_is_to_be_said_is_said_before_the_database_is_closed(postgresql_url: str) -> None:
    said: list[str] = []
    database = Database(postgresql_url)
    database.direct._telling = Telling(slowly(said))
    database.direct.tell("topic")
    await database.close()
    assert said == ["topic"]


async def test_it_waits_for_no_disk(migrated_postgresql_url: str) -> None:
    database = Database(migrated_postgresql_url)
    async with database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute("SET synchronous_commit = on")
        async with driver.transaction():
            await driver.fetch(direct._NOTIFY, CHANNEL, "topic")
            assert await driver.fetchval("SHOW synchronous_commit") == "off"
        assert await driver.fetchval("SHOW synchronous_commit") == "on"  # as the connection's own work has it
    await database.close()
