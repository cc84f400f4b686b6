"""What a session wrote is told once it has committed, and only then."""

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from stanchion.database import BigID, Database, on_commit

pytestmark = pytest.mark.anyio

Events = list[MutableMapping[str, Any]]


class Base(DeclarativeBase): ...


class Thing(Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(BigID, primary_key=True)
    name: Mapped[str]


class Place(Base):
    __tablename__ = "places"

    x: Mapped[int] = mapped_column(primary_key=True)
    y: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield database
    await database.close()


def told(events: Events) -> list[tuple[str, Any]]:
    return [(event["event"], event.get("id")) for event in events]


async def test_each_row_after_the_commit(database: Database, logged: Events) -> None:
    async with database.transaction() as session:
        session.add(Thing(name="hunter2"))
        session.add(Place(x=1, y=2))
        await session.flush()
        assert logged == []
    assert {(event["event"], event["table"], event["id"]) for event in logged} == {
        ("created", "things", 1),
        ("created", "places", (1, 2)),
    }
    assert "hunter2" not in str(logged)


async def test_created_changed_and_deleted(database: Database, logged: Events) -> None:
    async with database.transaction() as session:
        session.add(thing := Thing(name="a"))
    async with database.transaction() as session:
        session.add(thing)
        thing.name = "b"
    async with database.transaction() as session:
        session.add(thing)
        thing.name = "b"  # no change
    async with database.transaction() as session:
        await session.delete(thing)
    assert told(logged) == [("created", 1), ("changed", 1), ("deleted", 1)]


async def test_nothing_after_a_rollback(database: Database, logged: Events) -> None:
    with pytest.raises(ValueError, match="undo"):  # noqa: PT012
        async with database.transaction() as session:
            session.add(Thing(name="a"))
            await session.flush()
            on_commit(session, pytest.fail, "called")
            raise ValueError("undo")
    assert logged == []


async def test_after_a_rollback_of_ones_own_only_what_follows(database: Database, logged: Events) -> None:
    async with database.transaction() as session:
        session.add(Thing(name="a"))
        await session.flush()
        await session.rollback()
        session.add(Place(x=1, y=2))
    assert told(logged) == [("created", (1, 2))]


async def test_a_commit_of_ones_own_tells_at_once_and_only_once(database: Database, logged: Events) -> None:
    async with database.transaction() as session:
        session.add(Thing(name="a"))
        await session.commit()
        assert told(logged) == [("created", 1)]
    assert len(logged) == 1


async def test_a_savepoint_tells_with_the_whole(database: Database, logged: Events) -> None:
    async with database.transaction() as session:
        session.add(Place(x=0, y=0))
        async with session.begin_nested():
            session.add(Place(x=1, y=0))
        assert logged == []
        with pytest.raises(ValueError, match="undo"):  # noqa: PT012
            async with session.begin_nested():
                session.add(Place(x=2, y=0))
                await session.flush()
                async with session.begin_nested():
                    session.add(Place(x=3, y=0))
                raise ValueError("undo")
        session.add(Place(x=4, y=0))
    assert told(logged) == [("created", (x, 0)) for x in (0, 1, 4)]


async def test_on_commit_calls_in_order_once_all_is_durable(database: Database, database_url: str) -> None:
    calls: list[tuple[Any, ...]] = []

    def note(*args: Any, **kwargs: Any) -> None:
        calls.append((args, kwargs))

    async with database.transaction() as session:
        on_commit(session, note, 1)
        on_commit(session, note, 2, a=3)
        assert calls == []
    assert calls == [((1,), {}), ((2,), {"a": 3})]


async def test_a_call_that_fails_undoes_nothing(database: Database, logged: Events) -> None:
    calls: list[int] = []
    async with database.transaction() as session:
        on_commit(session, lambda: 1 / 0)
        on_commit(session, calls.append, 1)
        session.add(Thing(name="a"))
    assert calls == [1]
    assert told(logged) == [("failed", None), ("created", 1)]
    assert isinstance(logged[0]["exc_info"], ZeroDivisionError)
