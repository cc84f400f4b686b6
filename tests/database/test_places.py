"""Places: so many at once, the others in turn."""

import asyncio

import pytest

from stanchion.database.places import Places

pytestmark = pytest.mark.anyio


async def test_so_many_and_no_more() -> None:
    places = Places(2)
    assert [places.take() for _ in range(3)] == [True, True, False]
    places.give_back()
    assert [places.take() for _ in range(2)] == [True, False]


async def test_who_waits_is_next_in_turn() -> None:
    places, got = Places(1), []

    async def wait(name: str) -> None:
        await places.wait(10)
        got.append(name)

    assert places.take()
    waiting = [asyncio.create_task(wait(name)) for name in ("first", "second")]
    await asyncio.sleep(0)
    places.give_back()
    assert not places.take()  # it is the first's, who has not heard of it yet
    await asyncio.sleep(0.01)
    assert got == ["first"]
    places.give_back()
    await asyncio.gather(*waiting)
    assert got == ["first", "second"]
    places.give_back()
    assert places.take()


async def test_who_has_waited_long_enough_leaves_the_line() -> None:
    places = Places(1)
    assert places.take()
    with pytest.raises(TimeoutError):
        await places.wait(0.01)
    places.give_back()
    assert [places.take(), places.take()] == [True, False]


async def test_a_place_is_not_lost_with_who_was_given_it() -> None:
    places = Places(1)
    assert places.take()
    waiting = asyncio.create_task(places.wait(None))
    await asyncio.sleep(0)
    places.give_back()
    waiting.cancel()  # in the same moment
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert places.take()


def test_who_waits_in_a_loop_that_is_gone_is_passed_over() -> None:
    places = Places(1)
    assert places.take()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(places.wait(None))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    places.give_back()
    assert places.take()
    waiting._log_destroy_pending = False  # type: ignore[attr-defined] # asyncio looks for it
    waiting.get_coro().close()  # nobody else will end it
