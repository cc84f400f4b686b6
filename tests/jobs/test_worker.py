"""Worker: what runs, how often, what of it is written, and who may write it."""

import threading
from collections.abc import MutableMapping
from fractions import Fraction
from typing import Any

import anyio
import anyio.from_thread
import pytest
import structlog
from tests.jobs.conftest import PATIENCE, Office, effects

from stanchion.database import Database, DatabaseBusyError, now
from stanchion.errors import ConflictError, DomainError, InvalidError, NotFoundError, UnavailableError
from stanchion.jobs import GiveUpError, Job, JobContext, JobFunction, Jobs, Status, Worker, endings, leases
from stanchion.jobs.run import _pause
from stanchion.jobs.store import plant
from stanchion.jobs.table import jobs as table

pytestmark = pytest.mark.anyio

Note = JobFunction[[str], Any]
FAR = 3600.0


async def test_it_runs_what_is_enqueued(office: Office, note: Note) -> None:
    async with office.worker().running():
        job = await office.until(await office.enqueue(note, "a"), Status.done)
    assert (job.attempt, job.error, job.is_finished, await office.count()) == (1, None, True, 1)
    assert job.worker
    assert job.started_at
    assert job.finished_at
    assert job.created_at <= job.started_at <= job.finished_at


async def test_it_runs_what_was_there_before(office: Office, note: Note) -> None:
    ids = [await office.enqueue(note, str(number)) for number in range(30)]
    async with office.worker(concurrency=4).running():
        for job_id in ids:
            await office.until(job_id, Status.done)
    assert sorted(office.noted, key=int) == [str(number) for number in range(30)]
    assert await office.count() == 30


async def test_without_a_wake_it_looks_by_itself(database_url: str, office: Office, note: Note) -> None:
    silent = Jobs(Database(database_url, notify=False))
    silent.functions.update(office.jobs.functions)
    async with Worker(silent, poll=0.1).running():
        await office.until(await office.enqueue(note, "a"), Status.done)
    await silent.database.close()


async def test_no_more_at_once_than_it_may(office: Office) -> None:
    running, most, ended = 0, 0, 0

    @office.jobs.job()
    async def slow() -> None:
        nonlocal running, most, ended
        running += 1
        most = max(most, running)
        await anyio.sleep(0.02)
        running -= 1
        ended += 1

    ids = [await office.enqueue(slow) for _ in range(9)]
    async with office.worker(concurrency=3).running():
        for job_id in ids:
            await office.until(job_id, Status.done)
    assert (most, ended) == (3, 9)


async def test_a_higher_priority_first_then_the_older(office: Office, note: Note) -> None:
    for name, priority in (("a", 0), ("b", 5), ("c", -1), ("d", 5)):
        await office.enqueue(note.options(priority=priority), name)
    assert await office.worker().run_due() == 4
    assert office.noted == ["b", "d", "a", "c"]


async def test_a_worker_has_its_queues_and_the_functions_it_knows(office: Office, note: Note) -> None:
    mail = await office.enqueue(note.options(queue="mail"), "a")
    other = await office.enqueue(note, "b")
    unknown = await office.enqueue(note.options(queue="mail"), "c")
    await office.set(unknown, name="of_another_release")
    assert await office.worker(queues=["mail", "sms"]).run_due() == 1
    assert [(await office.get(one)).status for one in (mail, other, unknown)] == ["done", "queued", "queued"]


async def test_a_function_that_is_not_async_runs_in_a_thread(office: Office) -> None:
    @office.jobs.job()
    def count(context: JobContext, upto: int) -> dict[str, Any]:
        anyio.from_thread.run(context.progress, upto, 10, "counted")
        return {"main": threading.current_thread() is threading.main_thread(), "sum": sum(range(upto))}

    job_id = await office.enqueue(count, 5)
    assert await office.worker().run_due() == 1
    job = await office.get(job_id)
    assert job.result == {"main": False, "sum": 10}
    assert (job.done, job.total, job.message) == (5, 10, "counted")


async def test_a_failure_rolls_back_and_is_tried_again(office: Office, note: Note) -> None:
    @office.jobs.job(max_attempts=3, backoff=0.0)
    async def moody(context: JobContext) -> str:
        session = await context.session()
        await session.execute(effects.insert().values(text=str(context.attempt)))
        assert await context.session() is session
        if context.attempt < context.max_attempts:
            raise ValueError("not yet")
        return context.name

    job_id = await office.enqueue(moody)
    assert await office.worker().run_due() == 3
    job = await office.get(job_id)
    assert (job.status, job.attempt, job.result, job.error) == (Status.done, 3, "moody", None)
    assert await office.count() == 1


async def test_a_dead_letter_has_its_error_and_no_secret(
    office: Office, logged: list[MutableMapping[str, Any]]
) -> None:
    @office.jobs.job(max_attempts=2, backoff=0.0)
    async def call(url: str) -> None:
        raise ConnectionError(f"no answer from {url}")

    job_id = await office.enqueue(call, "https://ada:hunter22@example.com")
    assert await office.worker().run_due() == 2
    job = await office.get(job_id)
    assert (job.status, job.attempt) == (Status.failed, 2)
    assert job.error is not None
    assert (job.error.type, job.error.message) == (
        "ConnectionError",
        "no answer from https://[redacted]@example.com",
    )
    first, where, what, said = job.error.trace.splitlines()
    assert first == "Traceback (most recent call last):"
    assert where.endswith(", in call"), "it begins in the job's own function"
    assert what.strip().startswith("raise ConnectionError")
    assert said == "ConnectionError: no answer from https://[redacted]@example.com"
    assert "hunter22" not in job.error.trace
    told = [(line["event"], line["log_level"]) for line in logged]
    assert told == [("job_retried", "warning"), ("job_failed", "error")]
    async with office.database.transaction() as session:
        assert await office.jobs.retry(session, job_id)
    assert (await office.get(job_id)).attempt == 0


@pytest.mark.parametrize("error", [GiveUpError("no such user"), SystemExit(3)])
async def test_giving_up_and_leaving(office: Office, error: BaseException) -> None:
    @office.jobs.job(max_attempts=2, backoff=0.0)
    async def leave() -> None:
        raise error

    job_id = await office.enqueue(leave)
    ran = await office.worker().run_due()
    job = await office.get(job_id)
    assert (job.status, job.attempt) == (Status.failed, ran)
    assert ran == (1 if isinstance(error, GiveUpError) else 2)
    assert job.error is not None
    assert job.error.type == type(error).__name__


@pytest.mark.parametrize(
    ("error", "details"),
    [
        (GiveUpError("Line 3 is bad.", [3]), [3]),
        (
            InvalidError("Line 3 is bad.", loc=("body", 3)),
            {"errors": [{"loc": ["body", 3], "msg": "Line 3 is bad.", "type": "value_error"}]},
        ),
        (NotFoundError("Line 3 is bad."), None),
    ],
)
async def test_what_is_refused_fails_at_once_and_is_no_fault(
    office: Office, error: Exception, details: object
) -> None:
    @office.jobs.job(max_attempts=3)
    async def refuse() -> None:
        raise error

    job_id = await office.enqueue(refuse)
    with structlog.testing.capture_logs() as logged:
        assert await office.worker().run_due() == 1
    job = await office.get(job_id)
    assert job.error is not None
    assert (job.status, job.error.message, job.error.details) == (Status.failed, "Line 3 is bad.", details)
    assert job.error.is_refusal
    assert job.error.code == (error.code if isinstance(error, DomainError) else "")
    (line,) = [one for one in logged if one["event"] == "job_failed"]
    assert (line["log_level"], line["reason"], line["exc_info"]) == ("warning", "Line 3 is bad.", None)


class TooEarlyError(DomainError):
    status = 425


class BusyError(ConflictError):
    def __init__(self) -> None:
        super().__init__("busy", headers={"retry-after": "1"})


@pytest.mark.parametrize("error", [UnavailableError(), TooEarlyError(), BusyError()])
async def test_a_domain_error_that_passes_is_tried_again(office: Office, error: DomainError) -> None:
    @office.jobs.job(max_attempts=2, backoff=0.0)
    async def refuse() -> None:
        raise error

    job_id = await office.enqueue(refuse)
    assert await office.worker().run_due() == 2
    job = await office.get(job_id)
    assert job.error is not None
    assert (job.status, job.attempt, job.error.is_refusal) == (Status.failed, 2, False)


async def test_the_details_of_giving_up(office: Office) -> None:
    @office.jobs.job()
    async def give_up() -> None:
        raise GiveUpError("Two lines are bad.", {"lines": (3, 7), "at": object, "password": "hunter2"})

    job_id = await office.enqueue(give_up)
    await office.worker().run_due()
    error = (await office.get(job_id)).error
    assert error is not None
    assert (error.message, error.details["lines"]) == ("Two lines are bad.", [3, 7])
    assert error.details["at"] == str(object)
    assert "hunter2" not in str(error.details)


async def test_what_cannot_be_kept_fails_at_once(office: Office, note: Note) -> None:
    @office.jobs.job()
    async def answer(context: JobContext) -> object:
        await (await context.session()).execute(effects.insert().values(text="a"))
        return object()

    job_id = await office.enqueue(answer)
    stale = await office.enqueue(note, "a")
    await office.set(stale, arguments='{"name": 1}')
    assert await office.worker().run_due() == 2
    job, other = await office.get(job_id), await office.get(stale)
    assert job.error is not None
    assert other.error is not None
    assert (job.status, job.error.message) == (Status.failed, "What answer returned has no form in JSON.")
    assert (other.status, other.error.type) == (Status.failed, "ArgumentsError")
    assert await office.count() == 0


async def test_a_timeout(office: Office) -> None:
    @office.jobs.job(timeout=0.05, max_attempts=1)
    async def stuck(context: JobContext) -> None:
        await (await context.session()).execute(effects.insert().values(text="a"))
        await anyio.sleep_forever()

    job_id = await office.enqueue(stuck)
    assert await office.worker().run_due() == 1
    job = await office.get(job_id)
    assert job.error is not None
    assert (job.status, job.error.message) == (Status.failed, "It took longer than 0.05 seconds.")
    assert "in stuck\n    await anyio.sleep_forever()" in job.error.trace, "where it was"
    assert await office.count() == 0


async def test_something_inside_that_was_cancelled_is_a_failure(office: Office) -> None:
    @office.jobs.job(max_attempts=1)
    async def waits() -> None:
        raise anyio.get_cancelled_exc_class()

    job_id = await office.enqueue(waits)
    assert await office.worker().run_due() == 1
    job = await office.get(job_id)
    assert job.error is not None
    assert (job.status, job.error.type) == (Status.failed, "CancelledError")


async def test_a_running_job_is_cancelled(office: Office) -> None:
    begun = anyio.Event()

    @office.jobs.job()
    async def endless(context: JobContext) -> None:
        await context.progress(1, None, "begun\0\ud800")
        begun.set()
        await anyio.sleep_forever()

    job_id = await office.enqueue(endless)
    async with office.worker(lease=FAR, poll=FAR).running():  # it is woken: no lease is renewed in this time
        with anyio.fail_after(PATIENCE):
            await begun.wait()
        async with office.database.transaction() as session:
            assert await office.jobs.cancel(session, job_id)
        job = await office.until(job_id, Status.cancelled)
    assert (job.done, job.total, job.message) == (1, None, "begun�?")


async def test_where_nobody_tells_a_cancelled_job_ends_with_the_next_look(
    database_url: str, office: Office
) -> None:
    @office.jobs.job()
    async def endless() -> None:
        await anyio.sleep_forever()

    job_id = await office.enqueue(endless)
    async with office.worker(lease=0.6).running():
        await office.until(job_id, Status.running)
        await office.set(job_id, cancel_requested=True)
        assert (await office.until(job_id, Status.cancelled)).attempt == 1


async def test_a_cancelled_job_that_raises_is_cancelled(office: Office) -> None:
    begun = anyio.Event()

    @office.jobs.job()
    async def untidy() -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        except BaseException as exc:
            raise ValueError("what it closes is closed already") from exc

    job_id = await office.enqueue(untidy)
    async with office.worker(lease=FAR).running():
        with anyio.fail_after(PATIENCE):
            await begun.wait()
        async with office.database.transaction() as session:
            assert await office.jobs.cancel(session, job_id)
        assert (await office.until(job_id, Status.cancelled)).error is None


@pytest.mark.parametrize("wrong", [2**63, -(2**63)])
async def test_progress_that_no_column_holds(office: Office, wrong: int) -> None:
    @office.jobs.job(max_attempts=1)
    async def count(context: JobContext) -> None:
        await context.progress(1, wrong)

    job_id = await office.enqueue(count)
    assert await office.worker().run_due() == 1
    job = await office.get(job_id)
    assert job.error is not None
    assert (job.status, job.error.type, job.total) == (Status.failed, "ValueError", None)


@pytest.mark.parametrize("wrong", [1.5, Fraction(1, 2), True, "1"])
async def test_progress_that_is_no_int(office: Office, note: Note, wrong: Any) -> None:
    @office.jobs.job(max_attempts=1)
    async def count(context: JobContext, is_total: bool) -> None:
        await context.progress(*((1, wrong) if is_total else (wrong, 3)))

    ids = [await office.enqueue(count, is_total) for is_total in (False, True)]
    after = await office.enqueue(note, "a")
    async with office.worker(concurrency=1).running():
        found = [await office.until(job_id, Status.failed) for job_id in ids]
        await office.until(after, Status.done)
    assert [job.error and (job.error.type, job.done) for job in found] == [("TypeError", None)] * 2


_NONE_BELOW = "ALTER TABLE stanchion_jobs ADD CHECK (done >= 0)"
_NONE_BELOW_SQLITE = """
CREATE TRIGGER none_below BEFORE UPDATE ON stanchion_jobs WHEN NEW.done < 0
BEGIN SELECT RAISE(ABORT, 'none below'); END
"""


async def test_an_end_that_the_database_refuses_holds_up_no_other(office: Office, note: Note) -> None:
    begun: list[int] = []
    is_sqlite = office.database.engine.dialect.name == "sqlite"
    async with office.database.engine.begin() as connection:
        await connection.exec_driver_sql(_NONE_BELOW_SQLITE if is_sqlite else _NONE_BELOW)

    @office.jobs.job()
    async def count(context: JobContext) -> int:
        begun.append(context.id)
        await context.progress(-1)
        return 7

    lone = await office.enqueue(count)
    with structlog.testing.capture_logs() as lines:
        async with office.worker(concurrency=8).running():
            await office.until(lone, Status.failed)
            ids = [await office.enqueue(note, str(number)) for number in range(4)]
            refused = await office.enqueue(count)
            ids += [await office.enqueue(note, str(number)) for number in range(4)]
            for job_id in ids:
                await office.until(job_id, Status.done)
            await office.until(refused, Status.failed)
    for job_id in (lone, refused):
        job = await office.get(job_id)
        assert (job.status, job.attempt, job.done, job.result) == (Status.failed, 1, None, None)
        assert job.error is not None
    assert begun == [lone, refused]
    assert [line["job_id"] for line in lines if line["event"] == "job_failed"] == [lone, refused]


async def test_what_is_cancelled_while_its_worker_dies_runs_no_more(office: Office, note: Note) -> None:
    job_id = await office.enqueue(note, "a")
    await office.set(job_id, status=Status.running, lease="dead", attempt=1)
    async with office.database.transaction() as session:
        assert await office.jobs.cancel(session, job_id)
    assert await office.worker().run_due() == 1
    assert ((await office.get(job_id)).status, office.noted) == (Status.cancelled, [])


async def test_a_job_that_kills_its_workers_ends(office: Office, note: Note) -> None:
    job_id = await office.enqueue(note, "a")
    await office.set(job_id, status=Status.running, lease="dead", attempt=3)
    assert await office.worker().run_due() == 1
    job = await office.get(job_id)
    assert job.error is not None
    assert (job.status, job.error.type, office.noted) == (Status.failed, "WorkerLostError", [])


async def test_a_lease_that_holds_is_nobody_elses(office: Office) -> None:
    begun, go_on = anyio.Event(), anyio.Event()

    @office.jobs.job()
    async def slow() -> None:
        begun.set()
        await go_on.wait()

    job_id = await office.enqueue(slow)
    async with office.worker(lease=0.3).running():
        with anyio.fail_after(PATIENCE):
            await begun.wait()
            for _ in range(4):  # renewed for longer than it is
                assert await office.worker().run_due() == 0
                await anyio.sleep(0.15)
        go_on.set()
        assert (await office.until(job_id, Status.done)).attempt == 1


@pytest.mark.parametrize("writes", [True, False])
async def test_a_lost_lease_writes_nothing(office: Office, writes: bool) -> None:
    """The first worker is asleep while its lease ends; the second does the job; then the first goes on."""
    begun, go_on = anyio.Event(), anyio.Event()

    @office.jobs.job()
    async def slow(context: JobContext) -> str:
        if context.attempt == 1:
            begun.set()
            await go_on.wait()
        if writes:
            await (await context.session()).execute(effects.insert().values(text=str(context.attempt)))
        return f"attempt {context.attempt}"

    job_id = await office.enqueue(slow)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(office.worker().run_due)  # it renews nothing
        with anyio.fail_after(PATIENCE):
            await begun.wait()
        await office.set(job_id, due_at=now().replace(year=2020))
        assert await office.worker().run_due() == 1
        go_on.set()
    job = await office.get(job_id)
    assert (job.status, job.attempt, job.result) == (Status.done, 2, "attempt 2")
    assert await office.count() == (1 if writes else 0)


async def test_a_lost_lease_ends_the_run(office: Office) -> None:
    begun, ended = anyio.Event(), anyio.Event()

    @office.jobs.job()
    async def endless() -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    job_id = await office.enqueue(endless)
    async with office.worker(lease=0.3, concurrency=1).running():
        with anyio.fail_after(PATIENCE):
            await begun.wait()
            await office.set(job_id, lease="another's", due_at=now().replace(year=2100))
            await ended.wait()
    assert (await office.get(job_id)).status is Status.running


async def test_a_busy_database_is_no_lost_lease(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, refused = anyio.Event(), 0
    write, renew = endings.write, leases.renew

    async def busy(*arguments: Any) -> Any:
        nonlocal refused
        refused += 1
        if refused < 3:
            raise DatabaseBusyError
        go_on.set()
        return await renew(*arguments)

    async def busy_once(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(endings, "write", write)
        raise DatabaseBusyError

    @office.jobs.job()
    async def slow() -> int:
        await go_on.wait()
        return 1

    monkeypatch.setattr(leases, "renew", busy)
    monkeypatch.setattr(endings, "write", busy_once)
    job_id = await office.enqueue(slow)
    async with office.worker(lease=0.3).running():
        job = await office.until(job_id, Status.done)
    assert (job.attempt, job.result) == (1, 1)


async def test_a_stop_waits_for_what_runs(office: Office) -> None:
    begun = anyio.Event()

    @office.jobs.job()
    async def slow() -> None:
        begun.set()
        await anyio.sleep(0.3)

    job_id = await office.enqueue(slow)
    async with office.worker().running():
        with anyio.fail_after(PATIENCE):
            await begun.wait()
    assert (await office.get(job_id)).status is Status.done


async def test_a_stop_gives_back_what_does_not_end(office: Office) -> None:
    begun, queued = anyio.Event(), anyio.Event()

    @office.jobs.job()
    async def slow(context: JobContext) -> None:
        if begun.is_set():
            return
        begun.set()
        await anyio.sleep_forever()

    job_id = await office.enqueue(slow)
    async with office.worker(grace=0.05, lease=FAR).running():
        with anyio.fail_after(PATIENCE):
            await begun.wait()
        queued.set()
    job = await office.get(job_id)
    assert (job.status, job.attempt) == (Status.queued, 0)
    assert await office.worker().run_due() == 1
    assert (await office.get(job_id)).status is Status.done


async def test_each_line_of_a_run_names_the_job(office: Office) -> None:
    found: dict[str, Any] = {}

    @office.jobs.job()
    async def tell() -> None:
        found.update(structlog.contextvars.get_contextvars())

    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        job_id = await office.enqueue(tell)
    await office.worker().run_due()
    assert found == {"job": "tell", "job_id": job_id, "attempt": 1, "request_id": "r-1"}
    assert structlog.contextvars.get_contextvars() == {}


async def test_those_who_watch_see_it_change(office: Office) -> None:
    @office.jobs.job()
    async def count(context: JobContext) -> int:
        for number in range(1, 4):
            await context.progress(number, 3)
            await anyio.sleep(0.5)
        return 3

    job_id = await office.enqueue(count)
    seen: list[tuple[str, int | None]] = []
    async with office.worker().running():
        with anyio.fail_after(PATIENCE):
            async for job in office.jobs.watch(job_id):
                seen.append((job.status, job.done))
    assert seen[-1] == ("done", 3)
    assert {("running", 1), ("running", 2), ("running", 3)} <= set(seen)
    assert [job async for job in office.jobs.watch(job_id + 1)] == []


async def test_those_who_watch_see_that_it_is_tried_again_and_when(office: Office) -> None:
    @office.jobs.job(max_attempts=2, backoff=3600.0)
    async def moody(context: JobContext) -> None:
        if context.attempt == 1:
            raise ValueError("not yet")

    job_id = await office.enqueue(moody)
    seen: list[Job] = []
    async with office.worker().running():
        with anyio.fail_after(PATIENCE):
            async for job in office.jobs.watch(job_id):
                seen.append(job)
                if job.retry_at is not None:
                    await office.set(job_id, due_at=job.started_at)  # an hour is long
    again = [job for job in seen if job.retry_at is not None]
    assert (again[0].status, again[0].attempt, again[0].retry_at) == (Status.queued, 1, again[0].due_at)
    assert again[0].started_at is not None
    assert again[0].due_at >= again[0].started_at
    assert again[0].error is not None
    assert again[0].error.message == "not yet"
    assert (seen[-1].status, seen[-1].attempt, seen[-1].error, seen[-1].retry_at) == ("done", 2, None, None)


async def test_a_schedule_has_one_job_for_each_tick(office: Office) -> None:
    @office.jobs.cron("* * * * *")
    async def tick() -> None:
        office.noted.append("tick")

    async with office.worker().running(), office.worker().running():
        with anyio.fail_after(PATIENCE):
            while not await office.count(table):  # noqa: ASYNC110 - it is a row
                await anyio.sleep(0.02)
        await anyio.sleep(0.1)
    async with office.database.read() as session:
        (job,) = await office.jobs.find(session)
    assert (job.due_at.second, job.due_at.microsecond, job.due_at > job.created_at) == (0, 0, True)
    await office.set(job.id, due_at=job.created_at)
    assert await office.worker().run_due() == 1
    assert office.noted == ["tick"]
    async with office.database.transaction() as session:
        await plant(session, tick.new_at(job.due_at))
    assert await office.count(table) == 1, "a tick that has run is not put in again"


async def test_a_schedule_that_changed_leaves_no_tick(office: Office) -> None:
    @office.jobs.cron("0 0 1 1 *")
    async def yearly() -> None: ...

    schedule = yearly.schedule
    assert schedule is not None
    first = schedule.after(now())
    async with office.database.transaction() as session:
        for tick in (first, schedule.after(first)):
            await plant(session, yearly.new_at(tick))
    async with office.database.read() as session:
        assert [job.due_at for job in await office.jobs.find(session)] == [schedule.after(first)]


async def test_what_goes_wrong_beside_it_ends_no_worker(
    office: Office, note: Note, logged: list[MutableMapping[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    claim = leases.claim

    async def broken(*arguments: Any, **options: Any) -> Any:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise RuntimeError("a fault of the code")
        return await claim(*arguments, **options)

    monkeypatch.setattr(leases, "claim", broken)
    async with office.worker().running():
        await office.until(await office.enqueue(note, "a"), Status.done)
    assert "jobs_not_claimed" in [line["event"] for line in logged]


def test_pauses_grow_and_differ_and_have_an_end() -> None:
    for attempt, longest in ((1, 10.0), (2, 20.0), (4, 80.0), (99, 3600.0)):
        found = [_pause(10.0, attempt) for _ in range(200)]
        assert 0 <= min(found) < longest / 2 < max(found) <= longest


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"lease": 0}, {"poll": 0}, {"grace": -1}])
async def test_a_worker_that_could_not_work(office: Office, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="A worker runs one job at least"):
        Worker(office.jobs, **wrong)
