"""Jobs: declared, enqueued in the caller's transaction, read, cancelled, tried again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.contextvars import bound_contextvars
from tests.jobs.conftest import Office, effects

from stanchion import Database
from stanchion.database import now
from stanchion.errors import ConflictError
from stanchion.jobs import ArgumentsError, JobFunction, Jobs, Status, store
from stanchion.jobs.table import jobs as table

pytestmark = pytest.mark.anyio

Note = JobFunction[[str], Any]


async def test_a_job_commits_with_the_write_that_asks_for_it(office: Office, note: Note) -> None:
    async with office.database.transaction() as session:
        await session.execute(effects.insert().values(text="a"))
        with bound_contextvars(request_id="r-1"):
            job_id = await office.jobs.enqueue(session, note, "b")
        async with office.database.read() as other:
            assert await office.jobs.get(other, job_id) is None
    job = await office.get(job_id)
    assert (job.name, job.queue, job.status, job.attempt, job.max_attempts) == (
        "note",
        "default",
        Status.queued,
        0,
        3,
    )
    assert job.arguments == {"text": "b"}
    assert (job.done, job.result, job.error, job.worker, job.is_finished) == (None, None, None, None, False)
    assert abs(job.due_at - now()) < timedelta(minutes=5)


@pytest.mark.parametrize("order", ["write, enqueue", "enqueue, write"])
async def test_what_is_rolled_back_leaves_no_job(office: Office, note: Note, order: str) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with office.database.transaction() as session:
            for step in order.split(", "):
                if step == "write":
                    await session.execute(effects.insert().values(text="a"))
                else:
                    await office.jobs.enqueue(session, note, "b")
            raise ZeroDivisionError
    assert (await office.count(), await office.count(table)) == (0, 0)


async def test_a_savepoint_takes_its_job_with_it(office: Office, note: Note) -> None:
    async with office.database.transaction() as session:
        kept = await office.jobs.enqueue(session, note, "a")
        with pytest.raises(ZeroDivisionError):  # noqa: PT012
            async with session.begin_nested():
                await office.jobs.enqueue(session, note, "b")
                raise ZeroDivisionError
    assert await office.count(table) == 1
    assert (await office.get(kept)).arguments == {"text": "a"}


async def test_it_waits_for_its_time(office: Office, note: Note) -> None:
    moment = datetime(2100, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    assert (await office.get(await office.enqueue(note.options(at=moment), "a"))).due_at == moment
    for delay in (90, 90.0, timedelta(seconds=90)):
        job = await office.get(await office.enqueue(note.options(delay=delay), "a"))
        assert job.due_at - job.created_at == timedelta(seconds=90)
    assert await office.worker().run_due() == 0


async def test_options_of_a_job_change_no_other(office: Office, note: Note) -> None:
    job = await office.get(await office.enqueue(note.options(queue="mail", priority=-7), "a"))
    assert (job.queue, job.priority) == ("mail", -7)
    job = await office.get(await office.enqueue(note, "a"))
    assert (job.queue, job.priority) == ("default", 0)


async def test_a_unique_key_is_an_unfinished_jobs(office: Office, note: Note) -> None:
    @office.jobs.job()
    def other(text: str) -> None: ...

    only = note.options(unique_key="7")
    first = await office.enqueue(only, "a")
    assert await office.enqueue(only, "b") == first
    assert await office.enqueue(note, "c") != first
    assert await office.enqueue(note.options(unique_key="8"), "d") != first
    assert await office.enqueue(other.options(unique_key="7"), "e") != first
    assert await office.worker().run_due() == 4
    assert office.noted == ["a", "c", "d"]
    assert await office.enqueue(only, "f") != first


async def test_a_unique_key_joins_another_transactions(office: Office, note: Note) -> None:
    only = note.options(unique_key="7")

    async def twice(session: AsyncSession) -> tuple[int, int]:
        return await office.jobs.enqueue(session, only, "a"), await office.jobs.enqueue(session, only, "b")

    first, second = await office.database.run(twice)
    assert first == second


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"delay": 1, "at": datetime(2100, 1, 1, tzinfo=UTC)}, "not both"),
        ({"at": datetime(2100, 1, 1)}, "no time zone"),
        ({"unique_key": ""}, "1 to 255"),
        ({"unique_key": "a\0"}, "1 to 255"),
        ({"queue": "a" * 101}, "1 to 100"),
        ({"priority": 2**15}, "from -32768 to 32767"),
    ],
)
async def test_options_that_are_refused(note: Note, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        note.options(**options)


async def test_arguments_that_are_refused(office: Office, note: Note) -> None:
    with pytest.raises(ArgumentsError, match=r"got an unexpected keyword argument 'delay'"):
        await office.enqueue(note, "a", delay=5)
    assert await office.count(table) == 0


async def test_declarations_that_are_refused(office: Office, note: Note) -> None:
    def send(text: str) -> None: ...

    jobs = office.jobs
    for options, said in [
        ({"name": "note"}, "two jobs called 'note'"),
        ({"name": "a b"}, "'a b' is no name"),
        ({"queue": ""}, "1 to 100"),
        ({"max_attempts": 0}, "one at least"),
        ({"timeout": 0}, "more than no time"),
        ({"timeout": timedelta(0)}, "more than no time"),
        ({"backoff": -1}, "0 or more"),
        ({"priority": -(2**15) - 1}, "A priority is"),
    ]:
        with pytest.raises(ValueError, match=said):
            jobs.job(**options)(send)  # type: ignore[arg-type] # what is tested is what is refused
    with pytest.raises(TypeError, match="'text' needs a default"):
        jobs.cron("* * * * *")(send)
    stranger = Jobs(office.database).job()(send)
    with pytest.raises(ValueError, match="send is no job of these"):
        await office.enqueue(stranger, "a")
    assert list(jobs.functions) == ["note"]


async def test_a_function_is_called_as_before(office: Office) -> None:
    @office.jobs.job()
    async def double(number: int) -> int:
        return 2 * number

    assert await double(4) == 8


async def test_find(office: Office, note: Note) -> None:
    first = await office.enqueue(note, "a")
    second = await office.enqueue(note.options(queue="mail"), "b")
    async with office.database.transaction() as session:
        assert await office.jobs.cancel(session, second)
    async with office.database.read() as session:
        find = office.jobs.find
        assert [job.id for job in await find(session)] == [second, first]
        assert [job.id for job in await find(session, limit=1)] == [second]
        assert [job.id for job in await find(session, statuses=[Status.queued])] == [first]
        assert [job.id for job in await find(session, queue="mail", name="note")] == [second]
        assert await find(session, name="other") == []
        assert await office.jobs.get(session, second + 1) is None


async def test_a_queued_job_is_cancelled_at_once_and_tried_again(office: Office, note: Note) -> None:
    job_id = await office.enqueue(note.options(unique_key="7"), "a")
    async with office.database.transaction() as session:
        assert not await office.jobs.retry(session, job_id)
        assert await office.jobs.cancel(session, job_id)
        assert not await office.jobs.cancel(session, job_id)
    assert (await office.get(job_id)).status is Status.cancelled
    assert await office.worker().run_due() == 0
    other = await office.enqueue(note.options(unique_key="7"), "b")
    with pytest.raises(ConflictError) as refused:
        async with office.database.transaction() as session:
            await office.jobs.retry(session, job_id)
    assert refused.value.code == "job_key_taken"
    async with office.database.transaction() as session:
        assert await office.jobs.cancel(session, other)
        assert await office.jobs.retry(session, job_id)
    assert await office.worker().run_due() == 1
    assert (office.noted, (await office.get(job_id)).status) == (["a"], Status.done)


async def test_what_ended_long_ago_is_swept(office: Office, note: Note) -> None:
    ids = [await office.enqueue(note, "a") for _ in range(5)]
    ended = {"finished_at": now() - timedelta(days=8)}
    await office.set(ids[0], status=Status.done, **ended)
    await office.set(ids[1], status=Status.cancelled, **ended)
    await office.set(ids[2], status=Status.failed, **ended)
    await office.set(ids[3], status=Status.failed, finished_at=now() - timedelta(days=31))
    async with office.database.transaction() as session:
        assert await store.sweep(session, office.jobs.keep, office.jobs.keep_failed) == 3
        assert [job.id for job in await office.jobs.find(session)] == [ids[4], ids[2]]
        assert await store.sweep(session, office.jobs.keep, office.jobs.keep_failed) == 0


async def test_the_clock_is_the_databases(database_url: str) -> None:
    database = Database(database_url)
    async with database.read() as session:
        first, second = await store.time(session), await store.time(session)
    assert first <= second
    assert abs(first - now()) < timedelta(minutes=5)
    assert first.tzinfo is UTC
    await database.close()
