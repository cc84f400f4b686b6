"""Transactions of PostgreSQL that overlap: what the feed waits for, and what simpler readers do there.

On SQLite, which has one writer at a time, none of this can happen.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.events.conftest import Feeds
from tests.events.following import LONG, following

pytestmark = pytest.mark.anyio

WORDS = "/words/events"
SHORT = 0.3
"""Seconds in which nothing may come."""


@pytest.fixture
def migrated_url(migrated_postgresql_url: str) -> str:
    return migrated_postgresql_url


async def tell(feeds: Feeds, session: AsyncSession, key: str) -> None:
    await feeds.events.append(session, "word", "created", key, 1)


@asynccontextmanager
async def open_word(feeds: Feeds, key: str) -> AsyncIterator[AsyncSession]:
    """A transaction that has told of a word, and is not committed before the end of the block."""
    async with feeds.database.transaction() as session:
        await tell(feeds, session, key)
        yield session


async def test_what_is_committed_later_comes_first_where_it_was_told_first(feeds: Feeds) -> None:
    async with following(feeds.app, WORDS) as client:
        async with open_word(feeds, "a"):
            await feeds.write("b")
            await asyncio.sleep(SHORT)
            assert client.read == []
            assert feeds.events.lag() > 0
        await client.has(2)
        await feeds.write("c")
        await client.has(3)
    assert client.keys == ["a", "b", "c"]


async def test_a_gap_is_passed_once_it_is_rolled_back(feeds: Feeds) -> None:
    async with following(feeds.app, WORDS) as client:
        async with open_word(feeds, "a") as session:
            await feeds.write("b")
            await session.rollback()
        await client.has(1)
    assert client.keys == ["b"]


async def test_a_gap_waits_for_every_transaction_that_began_before(feeds: Feeds) -> None:
    """Nobody can tell which of them the place belongs to."""
    async with following(feeds.app, WORDS) as client:
        async with feeds.database.transaction() as other:
            await other.execute(text("INSERT INTO words VALUES (1, 1)"))
            async with open_word(feeds, "a") as session:
                await feeds.write("b")
                await session.rollback()
            await asyncio.sleep(SHORT)
            assert client.read == []
        await client.has(1)
    assert client.keys == ["b"]


async def test_an_open_transaction_holds_nothing_up_without_a_gap(feeds: Feeds) -> None:
    async with following(feeds.app, WORDS) as client, feeds.database.transaction() as other:
        await other.execute(text("INSERT INTO words VALUES (1, 1)"))
        await feeds.write("a", "b")
        await client.has(2)
        assert feeds.events.lag() < LONG
    assert client.keys == ["a", "b"]


async def test_what_is_open_when_the_first_comes_is_waited_for(feeds: Feeds) -> None:
    """A place before the newest event may be its own: from now on it would be told of by nobody."""
    async with open_word(feeds, "a"):
        await feeds.write("b")
        opening = asyncio.create_task(_first(feeds))
        await asyncio.sleep(SHORT)
        assert not opening.done()
    assert await opening == ["c"]


async def _first(feeds: Feeds) -> list[str]:
    async with following(feeds.app, WORDS) as client:
        await feeds.write("c")
        await client.has(1)
        return client.keys


async def test_it_is_not_waited_for_forever(feeds: Feeds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stanchion.events.events._READY", SHORT)
    async with open_word(feeds, "a"), following(feeds.app, WORDS) as client:
        await client.until(lambda one: one.is_ended)
        assert (client.status, client.problem["error"]) == (503, "feed_not_ready")
    async with following(feeds.app, WORDS) as client:
        assert client.status == 200


async def seen(feeds: Feeds, order: str, after: str = "") -> list[tuple[int, str]]:
    """Return places and keys in an order of another reader's."""
    async with feeds.database.read() as session:
        select = (
            f"SELECT id, key || ' ' || coalesce(version, 0) FROM stanchion_events WHERE topic != '' {after}"
        )
        return [(row[0], row[1]) for row in await session.execute(text(f"{select} ORDER BY {order}"))]


async def test_a_reader_by_place_alone_would_lose_one(feeds: Feeds) -> None:
    async with open_word(feeds, "a"):
        await feeds.write("b")
        naive = await seen(feeds, "id")
    naive += await seen(feeds, "id", f"AND id > {naive[-1][0]}")
    assert [key for _, key in naive] == ["b 0"]
    assert [key for _, key in await seen(feeds, "id")] == ["a 0", "b 0"]


async def test_a_reader_by_transaction_would_turn_versions_around(feeds: Feeds) -> None:
    async def change(session: AsyncSession) -> None:
        raised = text("UPDATE words SET version = version + 1 WHERE id = 1 RETURNING version")
        version = await session.scalar(raised)
        await feeds.events.append(session, "word", "updated", 1, version, version=version)

    async with feeds.database.transaction() as session:
        await session.execute(text("INSERT INTO words VALUES (1, 1)"))
    async with following(feeds.app, WORDS) as client:
        async with feeds.database.transaction() as early:
            await early.execute(text("INSERT INTO words VALUES (2, 1)"))  # it has its number now
            await feeds.database.run(change)
            await change(early)
        await client.has(2)
    assert [key for _, key in await seen(feeds, "xid, id")] == ["1 3", "1 2"]
    assert [one.data["version"] for one in client.read] == [2, 3]
