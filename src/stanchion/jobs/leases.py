"""What a worker does to jobs: claim, renew, report, and end a run. Each write names the run's lease.

A lease is a token that no other claim has. Where the row has another, or none, the run is no longer
this worker's, and nothing is written.
"""

import json
import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, any_, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from stanchion.jobs.record import Failure
from stanchion.jobs.table import Status, clock, jobs

Executor = AsyncSession | AsyncConnection


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs a worker takes: those whose functions it knows, of these queues or, for none, of all."""

    names: tuple[str, ...]
    queues: tuple[str, ...] = ()

    @property
    def condition(self) -> ColumnElement[bool]:
        """The same for SQL."""
        known = jobs.c.name.in_(self.names)
        return known & jobs.c.queue.in_(self.queues) if self.queues else known


@dataclass(frozen=True, slots=True)
class Lease:
    """A job that was claimed, and the token of the claim."""

    id: int
    token: str
    name: str
    arguments: str
    attempt: int
    max_attempts: int
    request_id: str | None
    cancel_requested: bool


@dataclass(slots=True)
class Progress:
    """How far a run is."""

    done: int | None = None
    total: int | None = None
    message: str | None = None

    @property
    def values(self) -> dict[str, Any]:
        """The same as columns."""
        return {"done": self.done, "total": self.total, "message": self.message}


async def due_in(executor: Executor, which: Filter) -> float | None:
    """Return the seconds until the first job is due, 0 or less for now; None where none is waiting."""
    query = (
        select(jobs.c.due_at, clock())
        .where(jobs.c.finished_at.is_(None), which.condition)
        .order_by(jobs.c.due_at)
        .limit(1)
    )
    row = (await executor.execute(query)).one_or_none()
    if row is None:
        return None
    due_at: datetime = row[0]
    now: datetime = row[1]
    return (due_at - now).total_seconds()


async def claim(
    executor: AsyncConnection,
    which: Filter,
    *,
    limit: int,
    seconds: float,
    worker: str,
    running: Collection[int] = (),
) -> list[Lease]:
    """Take up to `limit` jobs that are due, those of the highest priority first, and count the attempt.

    A running job is due when its lease is over: its worker is dead, or cannot reach the database. Those
    that are `running` here go on, and their leases are renewed when the database lets us.
    """
    token = secrets.token_hex(16)
    statement = (
        update(jobs)
        .where(_one_of(executor, _next(which, limit, running)))
        .values(
            status=Status.running,
            attempt=jobs.c.attempt + 1,
            due_at=clock(seconds),
            started_at=clock(),
            lease=token,
            worker=worker,
        )
        .returning(
            jobs.c.id,
            jobs.c.name,
            jobs.c.arguments,
            jobs.c.attempt,
            jobs.c.max_attempts,
            jobs.c.request_id,
            jobs.c.cancel_requested,
            jobs.c.priority,
        )
    )
    rows = (await executor.execute(statement)).all()
    return [
        Lease(
            id=row.id,
            token=token,
            name=row.name,
            arguments=row.arguments,
            attempt=row.attempt,
            max_attempts=row.max_attempts,
            request_id=row.request_id,
            cancel_requested=bool(row.cancel_requested),
        )
        for row in sorted(rows, key=lambda row: (-row.priority, row.id))
    ]


def _next(which: Filter, limit: int, running: Collection[int]) -> Select[tuple[int]]:
    return (
        select(jobs.c.id)
        .where(jobs.c.finished_at.is_(None), jobs.c.due_at <= clock(), which.condition)
        .where(jobs.c.id.not_in(running))
        .order_by(jobs.c.priority.desc(), jobs.c.due_at, jobs.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def _one_of(executor: AsyncConnection, query: Select[tuple[int]]) -> ColumnElement[bool]:
    if executor.dialect.name == "sqlite":
        return jobs.c.id.in_(query)
    # With IN, PostgreSQL may run the query more than once, and take more than its limit.
    return jobs.c.id == any_(func.array(query.scalar_subquery()))


async def renew(executor: Executor, leases: Collection[Lease], seconds: float) -> dict[int, bool]:
    """Renew leases, also those that are over and that nobody took; return whether each is to be cancelled.

    One that is missing is lost.
    """
    renewed = _held(leases).values(due_at=clock(seconds))
    rows = (await executor.execute(renewed.returning(jobs.c.id, jobs.c.cancel_requested))).all()
    return {row.id: bool(row.cancel_requested) for row in rows}


async def report(executor: Executor, lease: Lease, progress: Progress) -> bool:
    """Write how far a run is; False where the lease is lost."""
    statement = _held([lease]).values(progress.values).returning(jobs.c.id)
    return (await executor.execute(statement)).first() is not None


async def finish(executor: Executor, lease: Lease, progress: Progress, result: str | None) -> bool:
    """Write that a run has succeeded, and its result as JSON; False where the lease is lost."""
    values = {**_over(Status.done), **progress.values, "result": result, "error": None}
    return (await executor.execute(_held([lease]).values(values).returning(jobs.c.id))).first() is not None


async def finish_all(executor: Executor, leases: Collection[Lease]) -> set[int]:
    """Write that runs without progress and result have succeeded; return those whose lease was not lost."""
    claims: dict[str, list[int]] = {}
    for lease in leases:
        claims.setdefault(lease.token, []).append(lease.id)
    found: set[int] = set()
    # One statement for each claim: pairs of id and token, many at a time, take longer to write than to run.
    for token, ids in claims.items():
        held = update(jobs).where(jobs.c.id.in_(ids), jobs.c.lease == token)
        ended = held.values({**_over(Status.done), "error": None}).returning(jobs.c.id)
        found.update(row.id for row in await executor.execute(ended))
    return found


async def fail(
    executor: Executor, lease: Lease, progress: Progress, error: Failure, retry_in: float | None
) -> bool:
    """Write that a run has failed: to be tried again in so many seconds, or for good; False if lost."""
    text = json.dumps(asdict(error))
    end = _over(Status.failed) if retry_in is None else _waiting(retry_in)
    values = {**end, **progress.values, "error": text}
    return (await executor.execute(_held([lease]).values(values).returning(jobs.c.id))).first() is not None


async def release(executor: Executor, lease: Lease) -> bool:
    """Give a job back, as if it had not been claimed: others may take it now. False where it was lost."""
    values = {**_waiting(0), "attempt": jobs.c.attempt - 1}
    return (await executor.execute(_held([lease]).values(values).returning(jobs.c.id))).first() is not None


async def end_cancelled(executor: Executor, lease: Lease, progress: Progress) -> bool:
    """Write that a run was cancelled; False where the lease is lost."""
    values = {**_over(Status.cancelled), **progress.values}
    return (await executor.execute(_held([lease]).values(values).returning(jobs.c.id))).first() is not None


def _held(leases: Collection[Lease]) -> Update:
    # A row with the id of one and the token of another was lost and taken again, by this same worker.
    pairs = tuple_(jobs.c.id, jobs.c.lease).in_([(lease.id, lease.token) for lease in leases])
    return update(jobs).where(jobs.c.id.in_([lease.id for lease in leases]), pairs)


def _over(status: Status) -> dict[str, Any]:
    return {"status": status, "finished_at": clock(), "lease": None}


def _waiting(seconds: float) -> dict[str, Any]:
    return {"status": Status.queued, "due_at": clock(seconds), "lease": None}
