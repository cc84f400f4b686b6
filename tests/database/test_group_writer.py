"""GroupWriter: its thread outlives the loops that asked it, and its end holds up no other request."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text

from stanchion.database import Database, group_writer, sqlite
from stanchion.database.group_writer import GroupWriter, Work
from stanchion.database.turns import Turns


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "group.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE things (name TEXT)")
    return path


@pytest.fixture
def writer(path: Path) -> Iterator[GroupWriter]:
    writer = GroupWriter(make_url(f"sqlite:///{path}"), Turns())
    yield writer
    asyncio.run(writer.close())


def add(name: str) -> Work:
    def work(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO things VALUES (?)", [name])
        return name

    return work


async def within_a_while(asked: Awaitable[str]) -> str:
    return await asyncio.wait_for(asked, 10)


def names(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM things ORDER BY rowid")]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_a_loop_that_closes_before_its_answer_ends_nobody_elses_writes(
    writer: GroupWriter, path: Path
) -> None:
    written, closed = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> str:
        written.set()
        closed.wait(10)
        return str(add("slow")(connection))

    class Closing(asyncio.SelectorEventLoop):
        """Seems open to who asks, and is closed when it is told: as one that closes in between."""

        def is_closed(self) -> bool:
            return super().is_closed() and threading.current_thread().name != "stanchion.writer"

    loop = Closing()
    task = loop.create_task(writer.write(slow))
    loop.run_until_complete(asyncio.wait([task], timeout=0.01))
    assert written.wait(10)
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()
    closed.set()
    assert asyncio.run(within_a_while(writer.write(add("next")))) == "next"
    assert names(path) == ["slow", "next"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_ended_is_followed_by_another(writer: GroupWriter, path: Path) -> None:
    def end(_: sqlite3.Connection) -> None:
        raise SystemExit

    async def run() -> str:
        gone = asyncio.create_task(writer.write(end))
        await asyncio.sleep(0)
        assert writer._thread is not None
        await asyncio.to_thread(writer._thread.join, 10)
        gone.cancel()
        return await within_a_while(writer.write(add("next")))

    assert asyncio.run(run()) == "next"
    assert names(path) == ["next"]


def test_the_loop_runs_on_while_the_last_writes_end(writer: GroupWriter, path: Path) -> None:
    async def run() -> list[str]:
        with locked(path):
            last = asyncio.create_task(writer.write(add("last")))
            await asyncio.sleep(0)
            end = asyncio.create_task(writer.close())
            await asyncio.sleep(0.05)  # runs out only where the loop is free
            assert not end.done()
            newer = asyncio.create_task(writer.write(add("newer")))
            await asyncio.sleep(0)
        await end
        return [await last, await newer]

    assert asyncio.run(run()) == ["last", "newer"]
    assert sorted(names(path)) == ["last", "newer"]


def test_a_connection_that_could_not_be_prepared_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.05)
    path = tmp_path / "new.db"
    writer = GroupWriter(make_url(f"sqlite:///{path}"), Turns())

    async def run() -> list[int]:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")  # and the file is not in WAL mode yet
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                await writer.write(settings)
        try:
            found: list[int] = await writer.write(settings)
            return found
        finally:
            await writer.close()

    assert asyncio.run(run()) == [1, 2]


def settings(connection: sqlite3.Connection) -> list[int]:
    return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("foreign_keys", "synchronous")]


class OnASlowDisk(sqlite3.Connection):
    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql == "COMMIT":
            time.sleep(0.05)
        return super().execute(sql, parameters)


async def press(writer: GroupWriter) -> None:
    """Write without a pause: what waits while one group is committed is the next."""

    async def again_and_again(name: str) -> None:
        for _ in range(20):
            await writer.write(add(name))

    async with asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(again_and_again(str(number)))
            await asyncio.sleep(0.005)


def test_it_writes_when_those_that_wait_have_had_their_turn(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_writer, "_LONGEST_TURN", 60.0)
    turns = Turns()
    writer = GroupWriter(make_url(f"sqlite:///{path}"), turns)

    async def run() -> str:
        with turns.waiting():
            asked = asyncio.create_task(writer.write(add("next")))
            done, _ = await asyncio.wait([asked], timeout=0.1)
            assert (done, names(path)) == (set(), [])
        written = await within_a_while(asked)
        await writer.close()
        return written

    assert asyncio.run(run()) == "next"
    assert names(path) == ["next"]


class Clock:
    """Stands in for the module time: it goes on when somebody sleeps, and where a commit takes its time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


def test_the_file_is_left_to_other_processes_between_two_commits(
    writer: GroupWriter, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, took = Clock(), iter([0.05, 0.05, 30.0, 0.0])

    class Disk(sqlite3.Connection):
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            if sql == "COMMIT":
                clock.now += next(took)
            return super().execute(sql, parameters)

    monkeypatch.setattr(group_writer, "time", clock)
    writer._options["factory"] = Disk

    async def run() -> None:
        for name in "abcd":
            await within_a_while(writer.write(add(name)))

    asyncio.run(run())
    assert clock.slept == [0.0, 0.01, 0.01, 0.1]
    assert names(path) == list("abcd")


def test_a_session_of_the_same_process_is_next(path: Path) -> None:
    async def run() -> int:
        database = Database(f"sqlite:///{path}")
        writer = database.direct._group_writer
        assert writer is not None
        writer._options["factory"] = OnASlowDisk
        pressing = asyncio.create_task(press(writer))
        await asyncio.sleep(0.2)
        counts = []
        for _ in range(3):
            async with database.transaction() as session:
                counts.append(await session.scalar(text("SELECT count(*) FROM things")))
        await pressing
        await database.close()
        return counts[-1] or 0

    assert 0 < asyncio.run(run()) < 200
    assert len(names(path)) == 240
