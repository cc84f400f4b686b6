"""Endings: all that a worker has to write, in one statement; failures, as they are kept."""

import sqlite3
import traceback
from typing import Any

import asyncpg
import pytest
from sqlalchemy import column, insert, select, table
from tests.jobs.conftest import Office

from stanchion.database.failures import DatabaseBusyError, DatabaseUnavailableError, meaning_of_driver
from stanchion.database.ready import Ready
from stanchion.jobs import Failure, GiveUpError, JobFunction, Status, endings, leases
from stanchion.jobs.endings import Ending, How
from stanchion.jobs.failing import failure_of
from stanchion.jobs.leases import Filter, Lease, Progress
from stanchion.jobs.line import Line
from stanchion.jobs.table import jobs

pytestmark = pytest.mark.anyio

Note = JobFunction[[str], Any]


async def claimed(line: Line, count: int) -> list[Lease]:
    return await leases.claim(line, Filter(("note",)), limit=count, seconds=60, worker="one")


async def test_each_kind_is_written_as_what_it_is_and_nothing_where_the_lease_is_lost(
    office: Office, note: Note
) -> None:
    ids = [await office.enqueue(note, str(number)) for number in range(6)]
    line = Line(office.database)
    done, dead, again, cancelled, stopped, lost = await claimed(line, 6)
    await office.set(lost.id, lease="another's")
    error = Failure("ValueError", "no", "")
    written = await endings.write(
        line,
        [
            Ending(done, How.done, Progress(1, 2, "tea\n☕"), '{"a": "\\u0000"}'),
            Ending(dead, How.failed, error=error),
            Ending(again, How.failed, error=error, retry_in=60.0),
            Ending(cancelled, How.cancelled),
            Ending(stopped, How.stopped, Progress(5)),
            Ending(lost, How.done, result="1"),
        ],
        is_loud=False,
    )
    await line.close()
    assert written == set(ids) - {lost.id}
    found = [await office.get(job_id) for job_id in ids]
    assert [(job.status, job.attempt, job.error) for job in found] == [
        (Status.done, 1, None),
        (Status.failed, 1, error),
        (Status.queued, 1, error),
        (Status.cancelled, 1, None),
        (Status.queued, 0, None),
        (Status.running, 1, None),
    ]
    assert [job.is_finished for job in found] == [True, True, False, True, False, False]
    assert (found[0].done, found[0].total, found[0].message) == (1, 2, "tea\n☕")
    assert found[0].result == {"a": "\0"}
    assert (found[5].result, found[4].retry_at) == (None, None)
    assert found[2].started_at is not None
    assert 59 < ((found[2].retry_at or found[2].created_at) - found[2].started_at).total_seconds() < 80


async def test_a_job_that_was_lost_and_taken_again_is_the_later_claims(office: Office, note: Note) -> None:
    for text in ("a", "b"):
        await office.enqueue(note, text)
    line = Line(office.database)
    first, second = await claimed(line, 2)
    await office.set(first.id, due_at=(await office.get(first.id)).created_at)
    (again,) = await claimed(line, 1)
    assert (again.id, again.attempt) == (first.id, 2)
    written = await endings.write(line, [Ending(first, How.done), Ending(second, How.done)], is_loud=False)
    assert written == {second.id}
    assert await endings.write(line, [Ending(again, How.done)], is_loud=False) == {first.id}
    await line.close()


async def test_what_runs_here_is_not_claimed_again(office: Office, note: Note) -> None:
    await office.enqueue(note, "a")
    line = Line(office.database)
    held = await claimed(line, 1)
    await office.set(held[0].id, due_at=(await office.get(held[0].id)).created_at)
    which = Filter(("note",))
    assert await leases.claim(line, which, limit=5, seconds=60, worker="one", running=held) == []
    assert len(await leases.claim(line, which, limit=5, seconds=60, worker="two")) == 1
    await line.close()


async def test_a_line_that_failed_has_a_new_connection(office: Office, note: Note) -> None:
    await office.enqueue(note, "a")
    line = Line(office.database)
    assert len(await claimed(line, 1)) == 1
    with pytest.raises(Exception, match="nothing"):
        await line.fetch(select(column("id")).select_from(table("nothing")), {})
    assert await claimed(line, 1) == []
    await line.close()


async def test_what_is_next_is_read_in_order_and_not_sorted(office: Office, note: Note) -> None:
    """PostgreSQL would sort where its statistics are older than some ten thousand jobs: it is told not to."""
    line, which = Line(office.database), Filter(("note", "other"))
    await office.enqueue(note, "a")
    columns = [one for one in jobs.c if one.name != "id"]
    for _ in range(9):
        async with office.database.transaction() as session:
            await session.execute(insert(jobs).from_select(columns, select(*columns)))
    for _ in range(20):
        held = await leases.claim(line, which, limit=20, seconds=60, worker="one")
        assert len(await endings.write(line, [Ending(one, How.done) for one in held], is_loud=False)) == 20
    statement = leases._claiming(line.dialect.name, which)
    ready = Ready.of(statement, line.dialect)
    values = {"token": "t", "by": "two", "seconds": 60.0, "most": 20, "running": "[]"}
    explain = "EXPLAIN QUERY PLAN " if line.is_sqlite else "EXPLAIN "
    arguments = ready.parameters(values)
    asked = line._driver.execute_fetchall if line.is_sqlite else line._driver.fetch
    given = [arguments] if line.is_sqlite else arguments
    if not line.is_sqlite:
        assert await line._driver.fetchval("SHOW enable_sort") == "off"
    plan = "\n".join(str(row[-1]) for row in await asked(explain + ready.sql, *given))
    await line.close()
    assert "ix_stanchion_jobs_next" in plan
    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


def refused(name: str) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("said by SQLite")
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (refused("SQLITE_BUSY_SNAPSHOT"), DatabaseBusyError),
        (refused("SQLITE_FULL"), DatabaseUnavailableError),
        (refused("SQLITE_ERROR"), type(None)),
        (asyncpg.exceptions.LockNotAvailableError(), DatabaseBusyError),
        (asyncpg.exceptions.AdminShutdownError(), DatabaseUnavailableError),
        (asyncpg.exceptions.ConnectionDoesNotExistError(), DatabaseUnavailableError),
        (asyncpg.exceptions.InterfaceError("connection is closed"), DatabaseUnavailableError),
        (asyncpg.exceptions.UndefinedTableError(), type(None)),
        (ConnectionResetError(), DatabaseUnavailableError),
        (TimeoutError(), DatabaseUnavailableError),
        (KeyError("a"), type(None)),
    ],
)
def test_what_an_error_of_a_driver_means(error: Exception, meaning: type) -> None:
    assert type(meaning_of_driver(error)) is meaning


def test_a_long_traceback_loses_lines_of_its_middle() -> None:
    def deep(number: int) -> None:
        if number == 0:
            raise ValueError("at the bottom")
        # Lines that differ: Python itself folds those that repeat.
        exec(f"{chr(10) * number}deep({number} - 1)", {"deep": deep})

    try:
        deep(60)
    except ValueError as exc:
        failure, whole = failure_of(exc), traceback.format_exception(exc)
    lines = failure.trace.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "ValueError: at the bottom"
    (left_out,) = [line for line in lines if line.endswith("lines are left out ...")]
    assert int(left_out.split()[1]) + len(lines) - 1 == "".join(whole).count("\n")
    assert 7000 < len(failure.trace) < 8200


class MuteError(Exception):
    def __str__(self) -> str:
        raise KeyError("no words")


async def test_an_error_that_cannot_be_told_ends_no_worker(office: Office, note: Note) -> None:
    endless: list[Any] = []
    endless.append(endless)

    @office.jobs.job(max_attempts=1)
    async def fail(is_mute: bool) -> None:
        raise MuteError if is_mute else GiveUpError("see the details", endless)

    ids = [await office.enqueue(fail, is_mute) for is_mute in (True, False)]
    after = await office.enqueue(note, "a")
    assert await office.worker().run_due() == 3
    told = [(await office.get(job_id)).error for job_id in ids]
    assert told == [
        Failure("MuteError", "What it says cannot be told (KeyError).", ""),
        Failure("GiveUpError", "What it says cannot be told (ValueError).", ""),
    ]
    assert (await office.get(after)).status is Status.done
