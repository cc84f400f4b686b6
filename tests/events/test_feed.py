"""The feed: what is committed arrives once and in order, from now on or from where a client has been."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from sqlalchemy import delete, func, select, text, update
from tests.events.conftest import Feeds, make
from tests.events.following import LONG, following

from stanchion.database import Database, DatabaseUnavailableError
from stanchion.database.changes import events
from stanchion.events import Events
from stanchion.events.gate import Gate
from stanchion.events.log import Batch
from stanchion.events.reader import Reader

pytestmark = pytest.mark.anyio

Logged = list[MutableMapping[str, Any]]

WORDS = "/words/events"


async def test_what_is_committed_arrives(feeds: Feeds) -> None:
    await feeds.write("before")
    async with following(feeds.app, WORDS) as client:
        await feeds.write("a", version=2)
        async with feeds.database.transaction() as session:
            await feeds.events.append(session, "word", "deleted", 7, {"text": "zwölf\n"})
        await client.has(2)
    assert [(one.event, one.data["key"], one.data["version"], one.data["data"]) for one in client.read] == [
        ("created", "a", 2, "a"),
        ("deleted", "7", None, {"text": "zwölf\n"}),
    ]
    assert {one.data["kind"] for one in client.read} == {"created", "deleted"}
    assert client.answered["content-type"] == "text/event-stream; charset=utf-8"
    assert client.answered["cache-control"] == "no-store"
    assert client.answered["x-accel-buffering"] == "no"
    assert "content-length" not in client.answered


async def test_of_one_topic_alone(feeds: Feeds) -> None:
    async with following(feeds.app, WORDS) as client:
        await feeds.write("a", topic="note")
        await feeds.write("b")
        await client.has(1)
    assert client.keys == ["b"]


async def test_what_is_rolled_back_does_not(feeds: Feeds) -> None:
    async with following(feeds.app, WORDS) as client:
        async with feeds.database.transaction() as session:
            await feeds.events.append(session, "word", "created", "no", 1)
            await session.rollback()
        await feeds.write("yes")
        await client.has(1)
    assert client.keys == ["yes"]


@pytest.mark.parametrize("by_header", [True, False])
async def test_it_goes_on_where_a_client_has_been(feeds: Feeds, by_header: bool) -> None:
    async with following(feeds.app, WORDS) as client:
        await feeds.write("a", "b", "c")
        await client.has(3)
    since = client.read[0].id
    await feeds.write("d", *range(300))
    options: dict[str, Any] = (
        {"Last_Event_ID": since, "query": "last_event_id=0"}
        if by_header
        else {"query": f"last_event_id={since}"}
    )
    async with following(feeds.app, WORDS, **options) as back:
        await feeds.write("e")
        await back.has(304)
    assert back.keys == ["b", "c", "d", *map(str, range(300)), "e"]


async def test_a_client_that_has_read_nothing_knows_where_it_stands(feeds: Feeds) -> None:
    async with following(feeds.app, WORDS) as client:
        pass
    await feeds.write("a")
    async with following(feeds.app, WORDS, Last_Event_ID=client.last_id) as back:
        await back.has(1)
    assert (client.read, back.keys) == ([], ["a"])


async def test_a_sign_of_life_says_how_far_it_has_come(database: Database) -> None:
    feeds = make(database, heartbeat=0.05)
    async with following(feeds.app, WORDS) as client:
        began = client.last_id
        await feeds.write("a", topic="note")
        await client.until(lambda one: one.last_id != began)
        assert b": ping\n\n" in client.sent
    assert client.read == []
    await feeds.write("b")
    async with following(feeds.app, WORDS, Last_Event_ID=client.last_id) as back:
        await back.has(1)
    assert back.keys == ["b"]


async def test_many_join_while_others_write(feeds: Feeds) -> None:
    """Nothing is lost or doubled where the past meets what comes, wherever that is."""
    async with following(feeds.app, WORDS) as first:
        done = False

        async def write() -> None:
            for number in range(150):
                await feeds.write(number)
            nonlocal done
            done = True

        writer = asyncio.create_task(write())
        await first.has(5)
        joined = []
        while not done:
            since = first.read[len(first.read) // 2].id
            async with following(feeds.app, WORDS, Last_Event_ID=since) as other:
                await asyncio.sleep(0.01)
                joined.append((since, other))
        await writer
        await first.has(150)
    whole = [one.id for one in first.read]
    assert first.keys == [str(number) for number in range(150)]
    assert joined
    for since, other in joined:
        arrived = [one.id for one in other.read]
        begin = whole.index(since) + 1
        assert arrived == whole[begin : begin + len(arrived)]


async def test_each_process_gives_the_same(feeds: Feeds, migrated_url: str) -> None:
    other = make(Database(migrated_url))
    async with following(feeds.app, WORDS) as here, following(other.app, WORDS) as there:
        for number in range(20):
            await (feeds, other)[number % 2].write(number)
        await here.has(20)
        await there.has(20)
    assert [one.id for one in here.read] == [one.id for one in there.read]
    async with following(other.app, WORDS, Last_Event_ID=here.read[9].id) as back:
        await back.has(10)
    assert [one.id for one in back.read] == [one.id for one in here.read][10:]
    await other.database.close()


async def test_a_process_that_is_behind_tells_nothing_again(
    feeds: Feeds, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes from a process that was quicker has read what this one has yet to read."""
    behind = make(Database(migrated_url), heartbeat=0.05)
    may_read, read = asyncio.Event(), Reader._read

    async def held(self: Reader, gate: Gate) -> Batch:
        if self._database is behind.database:
            await may_read.wait()
        return await read(self, gate)

    monkeypatch.setattr(Reader, "_read", held)
    async with following(behind.app, WORDS) as begun, following(feeds.app, WORDS) as client:
        await feeds.write("a", "b")
        await client.has(2)
        async with following(behind.app, WORDS, Last_Event_ID=client.last_id) as back:
            await back.until(lambda one: "ping" in one.blocks[-1].values())
            assert back.last_id == client.last_id  # it is not sent back to where this process stands
            may_read.set()
            await feeds.write("c")
            await back.has(1)
            await begun.has(3)
    await behind.database.close()
    assert (begun.keys, back.keys) == (["a", "b", "c"], ["c"])


@pytest.mark.parametrize(
    "position", ["1", "nonsense", "7-00000000", "1-00000000", "99999999999999999999-00000000"]
)
async def test_a_position_that_nobody_knows_is_gone(feeds: Feeds, position: str) -> None:
    for options in ({"Last_Event_ID": position}, {"query": f"last_event_id={position}"}):
        async with following(feeds.app, WORDS, **options) as client:
            await client.until(lambda one: one.is_ended)
        assert (client.status, client.problem["error"]) == (410, "event_position_gone")


async def test_a_position_that_was_trimmed_is_gone(feeds: Feeds) -> None:
    async with following(feeds.app, WORDS) as client:
        await feeds.write("a", "b", "c")
        await client.has(3)
    async with feeds.database.transaction() as session:
        last = select(func.max(events.c.id)).scalar_subquery()
        await session.execute(delete(events).where(events.c.id < last))
    async with following(feeds.app, WORDS, Last_Event_ID=client.read[1].id) as gone:
        await gone.until(lambda one: one.is_ended)
    assert gone.status == 410
    async with following(feeds.app, WORDS, Last_Event_ID=client.read[2].id) as there:
        assert there.status == 200


async def test_a_place_that_was_given_again_is_gone(feeds: Feeds) -> None:
    """So it is after a backup was restored: the log goes on from there with others."""
    async with following(feeds.app, WORDS) as client:
        await feeds.write("a")
        await client.has(1)
    async with feeds.database.transaction() as session:
        await session.execute(update(events).where(events.c.key == "a").values(key="b"))
    async with following(feeds.app, WORDS, Last_Event_ID=client.last_id) as gone:
        await gone.until(lambda one: one.is_ended)
    assert gone.status == 410


async def test_what_is_trimmed_meanwhile_resets(feeds: Feeds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first look and the reading, the past may go: the client is told to read the list."""
    async with following(feeds.app, WORDS) as client:
        await feeds.write("a", "b", "c")
        await client.has(3)
        async with following(feeds.app, "/notes/events", X_User="1"):  # so that the reader runs on
            asked = feeds.events._asked_for

            async def trimming(request: Any) -> Any:
                found = await asked(request)
                async with feeds.database.transaction() as session:
                    await session.execute(delete(events).where(events.c.key.in_(["", "a", "b"])))
                return found

            monkeypatch.setattr(feeds.events, "_asked_for", trimming)
            async with following(feeds.app, WORDS, Last_Event_ID=client.read[0].id) as back:
                await feeds.write("d")
                await back.has(3)
    assert [one.event for one in back.read] == ["reset", "created", "created"]
    assert [one.data.get("key") for one in back.read] == [None, "c", "d"]


async def test_a_reader_that_missed_events_resets(feeds: Feeds) -> None:
    async with following(feeds.app, WORDS) as client:
        await feeds.write("a")
        await client.has(1)
        async with feeds.database.transaction() as session:
            await feeds.events.append_all(session, "word", "created", [])
            for key in ("b", "c"):
                await feeds.events.append(session, "word", "created", key, 1)
            await session.execute(delete(events).where(events.c.key != "c"))
        await client.has(3)
    assert [(one.event, one.data.get("key")) for one in client.read] == [
        ("created", "a"),
        ("reset", None),
        ("created", "c"),
    ]


async def test_a_log_without_a_row_can_be_followed(feeds: Feeds) -> None:
    async with feeds.database.transaction() as session:
        await session.execute(delete(events))
    async with following(feeds.app, WORDS) as client:
        await feeds.write("a")
        await client.until(lambda one: one.read and one.read[-1].event == "created")
    assert client.read[-1].data["key"] == "a"


async def test_whoever_owns_it(feeds: Feeds) -> None:
    path = "/notes/events"
    async with (
        following(feeds.app, path, X_User="1") as one,
        following(feeds.app, path, X_User="2") as two,
        following(feeds.app, path) as service,
    ):
        await feeds.write("a", topic="note", owner_id=1)
        await feeds.write("b", topic="note", owner_id=2)
        await feeds.write("c", topic="note")
        await feeds.write("d", topic="note", owner_id=1)
        await one.has(2)
        await two.has(1)
        await service.has(1)
    assert (one.keys, two.keys, service.keys) == (["a", "d"], ["b"], ["c"])
    async with following(feeds.app, path, X_User="2", Last_Event_ID=one.read[0].id) as back:
        await back.has(1)
    assert back.keys == ["b"]


async def test_whoever_may_see_it(feeds: Feeds) -> None:
    path = "/plans/events"
    async with (
        following(feeds.app, path, X_Teams="red blue") as both,
        following(feeds.app, path, X_Teams="red") as red,
        following(feeds.app, path) as nobody,
    ):
        for key, team in (("a", "red"), ("b", "blue"), ("c", None), ("d", "red")):
            await feeds.write(key, topic="plan", visibility=team)
        await both.has(3)
        await red.has(2)
    assert (both.keys, red.keys, nobody.keys) == (["a", "b", "d"], ["a", "d"], [])


async def test_who_sees_what_a_dependency_says_is_asked_again(
    feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stanchion.events.stream._AGAIN", 0.1)
    async with following(feeds.app, "/plans/events", X_Teams="red") as client:
        await feeds.write("a", topic="plan", visibility="red")
        await client.has(1)
        while not client.is_ended:  # each event, or sign of life, is an occasion
            await feeds.write("b", topic="plan", visibility="red")
            await asyncio.sleep(0.02)
    assert set(client.keys) <= {"a", "b"}


async def test_who_does_not_read_is_closed_and_comes_back(
    feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stanchion.events.subscriber.MOST_EVENTS", 20)
    monkeypatch.setattr("stanchion.events.stream._PATIENCE", 0.1)
    async with following(feeds.app, WORDS) as slow, following(feeds.app, WORDS) as quick:
        slow.hold.clear()
        for number in range(60):
            await feeds.write(number)
            await quick.has(number + 1)
        await slow.until(lambda one: one.is_ended)
    assert len(slow.read) < 60
    since = {"Last_Event_ID": slow.last_id}
    async with following(feeds.app, WORDS, **since) as back:
        await back.has(60 - len(slow.read))
    assert slow.keys + back.keys == quick.keys == [str(number) for number in range(60)]


async def test_bytes_that_wait_are_bounded_too(feeds: Feeds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stanchion.events.subscriber.MOST_BYTES", 5000)
    monkeypatch.setattr("stanchion.events.stream._PATIENCE", 0.1)
    async with following(feeds.app, WORDS) as slow, following(feeds.app, WORDS) as quick:
        slow.hold.clear()
        for number in range(4):
            await feeds.write(str(number) * 255)
            await feeds.write("large", topic="word", version=number)
        await quick.has(8)
        async with feeds.database.transaction() as session:
            await feeds.events.append(session, "word", "created", "huge", "x" * 100_000)
        await quick.has(9)  # one that is larger than what may wait goes through
        await feeds.write("last")  # behind it for the slow one, where nothing else waited
        await quick.has(10)
        await slow.until(lambda one: one.is_ended)
    assert quick.keys[-2:] == ["huge", "last"]


async def test_the_reader_ends_with_the_last_who_follows(feeds: Feeds) -> None:
    def readers() -> list[asyncio.Task[Any]]:
        return [task for task in asyncio.all_tasks() if task.get_name() == "stanchion.events"]

    async with following(feeds.app, WORDS):
        async with following(feeds.app, WORDS):
            assert len(readers()) == 1
        assert len(readers()) == 1
        assert feeds.events.lag() < LONG
    await asyncio.wait(readers() or [asyncio.create_task(asyncio.sleep(0))], timeout=LONG)
    assert readers() == []
    assert feeds.events.lag() == 0.0
    async with following(feeds.app, WORDS) as client:
        await feeds.write("a")
        await client.has(1)


async def test_a_database_that_is_away_for_a_while(
    feeds: Feeds, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    async with following(feeds.app, WORDS) as client:
        await feeds.write("a")
        await client.has(1)
        read = feeds.database.read
        failures: list[Exception] = [RuntimeError("a fault"), DatabaseUnavailableError()]

        def failing() -> Any:
            if failures:
                raise failures.pop()
            return read()

        monkeypatch.setattr(feeds.database, "read", failing)
        for key in ("b", "c", "d"):
            await feeds.write(key)
        await client.has(4)
    assert not failures
    assert client.keys == ["a", "b", "c", "d"]
    assert [line["log_level"] for line in logged if line["event"] == "not_followed"] == ["warning", "error"]


async def test_a_past_that_cannot_be_read_ends_the_stream(
    feeds: Feeds, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    async with following(feeds.app, WORDS) as client:
        await feeds.write("a", "b")
        await client.has(2)
    failures: list[Exception] = [DatabaseUnavailableError()]

    async def failing(*_: Any) -> Any:
        raise failures.pop()

    with monkeypatch.context() as patch:
        patch.setattr("stanchion.events.log.between", failing)
        async with following(feeds.app, WORDS, Last_Event_ID=client.read[0].id) as broken:
            await broken.until(lambda one: one.is_ended)
    assert (broken.status, broken.read) == (200, [])
    assert [line["error"] for line in logged if line["event"] == "broken_off"] == ["database_unavailable"]
    async with following(feeds.app, WORDS, Last_Event_ID=broken.last_id) as back:
        await back.has(1)
    assert back.keys == ["b"]


async def test_a_server_that_cannot_send_is_a_client_that_has_left(feeds: Feeds) -> None:
    async with following(feeds.app, WORDS) as client:
        client.is_broken = True
        await feeds.write("a")
        await client.until(lambda one: one.is_ended)
    assert client.read == []


async def test_without_its_table_it_is_not_ready(
    feeds: Feeds, monkeypatch: pytest.MonkeyPatch, logged: Logged
) -> None:
    monkeypatch.setattr("stanchion.events.events._READY", 0.3)
    async with feeds.database.transaction() as session:
        await session.execute(text("ALTER TABLE stanchion_events RENAME TO elsewhere"))
    async with following(feeds.app, WORDS) as client:
        await client.until(lambda one: one.is_ended)
    assert (client.status, client.problem["error"]) == (503, "feed_not_ready")
    assert client.answered["retry-after"] == "1"
    assert {line["event"] for line in logged if line["log_level"] == "error"} == {"not_followed"}


async def test_writers_trim_where_nobody_follows(database: Database) -> None:
    feeds = make(database, max_count=50)
    for _ in range(6):
        await feeds.write(*range(100))
    async with database.read() as session:
        count = await session.scalar(select(func.count()).select_from(events))
    assert count is not None
    assert 50 <= count < 300


async def test_a_log_that_cannot_be_trimmed_is_told_of(logged: Logged) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    appending = Events(away)
    for _ in range(256):
        appending.appended(away.direct)
    async with asyncio.timeout(5):
        while not logged:  # noqa: ASYNC110 - it is a line that is waited for
            await asyncio.sleep(0.01)
    assert [(line["event"], line["error"]) for line in logged] == [("not_trimmed", "database_unavailable")]
    await away.close()


async def test_the_reader_trims(database: Database) -> None:
    feeds = make(database, max_count=5, recheck=0.05)
    await feeds.write(*range(30))
    async with following(feeds.app, WORDS), asyncio.timeout(LONG):
        count = 30
        while count > 6:
            async with database.read() as session:
                count = await session.scalar(select(func.count()).select_from(events)) or 0
            await asyncio.sleep(0.02)
    assert count >= 5


@pytest.mark.parametrize("kind", ["reset", "error", "Created", "", "a\nb", "a" * 51])
async def test_a_kind_is_a_small_word(feeds: Feeds, kind: str) -> None:
    async with feeds.database.transaction() as session:
        with pytest.raises(ValueError, match="is no kind of event"):
            await feeds.events.append(session, "word", kind, 1, 1)


async def test_what_is_owned_needs_a_caller(feeds: Feeds) -> None:
    with pytest.raises(ValueError, match="give `caller`"):
        feeds.events.subscription("word", owned=True)
