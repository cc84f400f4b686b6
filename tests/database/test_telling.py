"""Telling: those who wait are woken after a commit, once for many."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from stanchion.database import Database, DatabaseUnavailableError
from stanchion.database.telling import Telling

pytestmark = pytest.mark.anyio


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
