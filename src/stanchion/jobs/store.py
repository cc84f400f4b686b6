"""What is done to jobs from outside a run: put in, read, listed, cancelled, tried again, swept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Float, Index, Insert, and_, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.database import notify
from stanchion.database.wakes import is_told, telling
from stanchion.errors import ConflictError
from stanchion.jobs.record import Job, read
from stanchion.jobs.table import Status, clock, jobs, key_index, tick_index

TOPIC = "jobs"
"""What workers wait for."""
TOLD = "jobs told"
"""What those wait for who watch a job."""
CANCELLED = "jobs cancelled"
"""What workers wait for while they run some."""
_BATCH = 500
"""Rows that are swept at a time."""
_COPIED = (
    *("name", "arguments", "queue", "priority", "max_attempts"),
    *("unique_key", "tick", "request_id"),
)
_FRESH = {"status": Status.queued, "attempt": 0, "cancel_requested": False}


@dataclass(frozen=True, slots=True)
class New:
    """A job to be put in: due at a moment or after so many seconds; `tick` is that of a schedule."""

    name: str
    arguments: str
    queue: str
    priority: int
    max_attempts: int
    delay: float = 0.0
    at: datetime | None = None
    unique_key: str | None = None
    tick: datetime | None = None
    request_id: str | None = None


async def insert(session: AsyncSession, new: New) -> int | None:
    """Put a job in, and return its id; of an unfinished job with the same name and `unique_key`, that one's.

    None where its tick is there already.
    """
    while (made := await _insert(session, new)) is None:
        if new.unique_key is None:
            return None
        held = and_(jobs.c.name == new.name, jobs.c.unique_key == new.unique_key)
        query = select(jobs.c.id).where(held, jobs.c.finished_at.is_(None))
        found: int | None = (await session.execute(query)).scalar_one_or_none()
        if found is not None:  # else it has ended in between, and the key is free
            return found
    return made


async def _insert(session: AsyncSession, new: New) -> int | None:
    index = tick_index if new.tick is not None else key_index if new.unique_key is not None else None
    statement = _statement(
        session.get_bind().dialect.name, index, is_delayed=new.at is None, is_loud=is_told(session)
    )
    values = {name: getattr(new, name) for name in _COPIED}
    when = {"delay": new.delay} if new.at is None else {"due_at": new.at}
    row = (await session.execute(statement, {**values, **when, **_FRESH})).first()
    return None if row is None else int(row[0])


@cache
def _statement(dialect: str, index: Index | None, *, is_delayed: bool, is_loud: bool) -> Insert:
    """Return the statement that puts a job in and, on PostgreSQL, wakes the workers: one round trip."""
    inserts: Any = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = inserts(jobs).values(created_at=clock())
    if is_delayed:
        statement = statement.values(due_at=clock(bindparam("delay", type_=Float)))
    if index is not None:
        where = index.dialect_options[dialect]["where"]
        statement = statement.on_conflict_do_nothing(index_elements=list(index.columns), index_where=where)
    told = [telling(TOPIC)] if is_loud else []
    made: Insert = statement.returning(jobs.c.id, *told)
    return made


async def get(session: AsyncSession, job_id: int) -> Job | None:
    """Return a job; None where there is none, or it was swept."""
    row = (await session.execute(select(jobs).where(jobs.c.id == job_id))).mappings().one_or_none()
    return None if row is None else read(row)


async def find(
    session: AsyncSession,
    *,
    statuses: Sequence[Status] = (),
    queue: str | None = None,
    name: str | None = None,
    limit: int = 50,
) -> list[Job]:
    """Return jobs, newest first: those of any of the statuses, or all."""
    query = select(jobs).order_by(jobs.c.id.desc()).limit(limit)
    if statuses:
        query = query.where(jobs.c.status.in_(statuses))
    if queue is not None:
        query = query.where(jobs.c.queue == queue)
    if name is not None:
        query = query.where(jobs.c.name == name)
    return [read(row) for row in (await session.execute(query)).mappings()]


async def cancel(session: AsyncSession, job_id: int) -> bool:
    """Cancel a job: a queued one at once, a running one when its worker hears of it.

    False where it is over, or there is none.
    """
    queued = (
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.status == Status.queued)
        .values(status=Status.cancelled, finished_at=clock(), cancel_requested=True)
    )
    running = (
        update(jobs).where(jobs.c.id == job_id, jobs.c.status == Status.running).values(cancel_requested=True)
    )
    for statement in (queued, running, queued):  # again: a worker may have given it back in between
        if (await session.execute(statement.returning(jobs.c.id))).first() is not None:
            await notify(session, TOLD)
            if statement is running:
                await notify(session, CANCELLED)
            return True
    return False


async def retry(session: AsyncSession, job_id: int) -> bool:
    """Queue a failed or cancelled job again, now and with all its attempts; False where it is neither.

    Raises ConflictError where another unfinished job has its unique key.
    """
    again = (
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.status.in_([Status.failed, Status.cancelled]))
        .values(
            status=Status.queued,
            due_at=clock(),
            attempt=0,
            cancel_requested=False,
            started_at=None,
            finished_at=None,
            done=None,
            total=None,
            message=None,
        )
    )
    try:
        async with session.begin_nested():
            queued = (await session.execute(again.returning(jobs.c.id))).first() is not None
    except IntegrityError as exc:
        raise ConflictError(
            f"Another unfinished job has the unique key of job {job_id}.", "job_key_taken"
        ) from exc
    if queued:
        await notify(session, TOPIC)
        await notify(session, TOLD)
    return queued


async def sweep(session: AsyncSession, keep: timedelta, keep_failed: timedelta) -> int:
    """Delete some of the jobs that are over for longer than `keep`, and return how many."""
    ended = jobs.c.finished_at
    old = ended <= clock(-keep.total_seconds())
    failed = jobs.c.status == Status.failed
    dead = and_(failed, ended <= clock(-keep_failed.total_seconds()))
    query = (
        select(jobs.c.id)
        .where(ended.is_not(None), and_(old, ~failed) | dead)
        .order_by(ended)
        .limit(_BATCH)
        .with_for_update(skip_locked=True)
    )
    found = (await session.scalars(query)).all()
    if found:
        await session.execute(delete(jobs).where(jobs.c.id.in_(found)))
    return len(found)


async def plant(session: AsyncSession, new: New) -> None:
    """Put the next tick of a schedule in, once for all workers, and drop one of a schedule that was."""
    assert new.tick is not None
    stale = and_(jobs.c.name == new.name, jobs.c.tick > clock(), jobs.c.tick != new.tick)
    await session.execute(
        delete(jobs).where(stale, jobs.c.status == Status.queued, jobs.c.attempt == 0, jobs.c.lease.is_(None))
    )
    await insert(session, new)


async def time(session: AsyncSession) -> datetime:
    """Return the database's time."""
    moment: datetime = (await session.execute(select(clock()))).scalar_one()
    return moment
