"""What lies in a pool: taken from the top, given to who waits, and never too much of it."""

import asyncio

import pytest
from sqlalchemy.util import greenlet_spawn
from sqlalchemy.util.queue import Empty, Full

from stanchion.database.idle import Idle

pytestmark = pytest.mark.anyio


def state(idle: Idle[str]) -> tuple[int, bool, bool]:
    return idle.qsize(), idle.empty(), idle.full()


async def test_the_last_one_is_taken_first_and_no_more_fit_than_there_is_room_for() -> None:
    idle = Idle[str](2)
    assert state(idle) == (0, True, False)
    idle.put_nowait("a")
    assert state(idle) == (1, False, False)
    idle.put("b", False)
    assert state(idle) == (2, False, True)
    with pytest.raises(Full):
        idle.put_nowait("c")
    assert [idle.get_nowait(), idle.get(False)] == ["b", "a"]
    with pytest.raises(Empty):
        idle.get(False)
    assert state(idle) == (0, True, False)


async def test_without_a_size_all_fit() -> None:
    idle = Idle[int]()
    for number in range(100):
        idle.put_nowait(number)
    assert (idle.qsize(), idle.full(), idle.get_nowait()) == (100, False, 99)


async def test_who_waits_is_given_what_comes() -> None:
    idle = Idle[str](2)
    waiting = [asyncio.create_task(greenlet_spawn(idle.get, True, 5.0)) for _ in range(2)]
    await asyncio.sleep(0)
    for item in ("a", "b"):
        idle.put_nowait(item)
    with pytest.raises(Full):
        idle.put_nowait("c")
    assert state(idle) == (2, False, True)
    assert set(await asyncio.gather(*waiting)) == {"a", "b"}
    idle.put_nowait("c")
    assert await greenlet_spawn(idle.get) == "c"
    assert state(idle) == (0, True, False)


async def test_who_has_waited_long_enough_leaves_nothing_behind() -> None:
    idle = Idle[str](2)
    with pytest.raises(Empty):
        await greenlet_spawn(idle.get, True, 0.01)
    idle.put_nowait("a")
    assert idle.get_nowait() == "a"


async def test_what_came_for_one_who_gives_up_is_there_for_the_next() -> None:
    idle = Idle[str](1)
    waiting = asyncio.create_task(greenlet_spawn(idle.get))
    await asyncio.sleep(0)
    idle.put_nowait("a")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert state(idle) == (1, False, True)
    with pytest.raises(Full):
        idle.put_nowait("b")
    assert (idle.get_nowait(), state(idle)) == ("a", (0, True, False))
