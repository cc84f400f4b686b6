"""What a worker does to jobs: claim them, renew its leases, report. Each write names the lease.

A lease is a token that no other claim has. Where the row has another, or none, the run is no longer
this worker's, and nothing is written.
"""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    FromClause,
    Integer,
    Select,
    String,
    Text,
    any_,
    bindparam,
    false,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningUpdate

from stanchion.jobs import given
from stanchion.jobs.line import Line
from stanchion.jobs.table import Status, clock, jobs


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs a worker takes: those whose functions it knows, of these queues or, for none, of all."""

    names: tuple[str, ...]
    queues: tuple[str, ...] = ()

    @property
    def condition(self) -> ColumnElement[bool]:
        """The same for SQL."""
        known = _is_one_of(jobs.c.name, self.names)
        return known & _is_one_of(jobs.c.queue, self.queues) if self.queues else known


@dataclass(slots=True, eq=False)
class Lease:
    """A job that was claimed, and the token of the claim."""

    token: str
    id: int
    name: str
    arguments: str
    attempt: int
    max_attempts: int
    request_id: str | None
    cancel_requested: bool
    priority: int


_CLAIMED = [jobs.c[name] for name in Lease.__slots__ if name != "token"]
HELD = {"id": BigInteger, "lease": String}
"""The columns that tell a lease."""


@dataclass(slots=True)
class Progress:
    """How far a run is."""

    done: int | None = None
    total: int | None = None
    message: str | None = None


async def due_in(line: Line, which: Filter) -> float | None:
    """Return the seconds until the first job is due, 0 or less for now; None where none is waiting."""
    for due_at, now in await line.fetch(_first(which), {}):
        return float((due_at - now).total_seconds())
    return None


@cache
def _first(which: Filter) -> Select[Any]:
    return (
        select(jobs.c.due_at, clock())
        .where(jobs.c.finished_at.is_(None), which.condition)
        .order_by(jobs.c.due_at)
        .limit(1)
    )


async def claim(
    line: Line,
    which: Filter,
    *,
    limit: int,
    seconds: float,
    worker: str,
    running: Collection[Lease] = (),
) -> list[Lease]:
    """Take up to `limit` jobs that are due, those of the highest priority first, and count the attempt.

    A running job is due when its lease is over: its worker is dead, or cannot reach the database. Those
    that are `running` here go on, and their leases are renewed when the database lets us.
    """
    token = secrets.token_hex(16)
    values = {
        "token": token,
        "by": worker,
        "seconds": seconds,
        "most": limit,
        "running": _told(running),
    }
    leases = [Lease(token, *row) for row in await line.fetch(_claiming(line.dialect.name, which), values)]
    leases.sort(key=lambda lease: (-lease.priority, lease.id))
    return leases


@cache
def _claiming(dialect: str, which: Filter) -> ReturningUpdate[Any]:
    running = given.rows(dialect, "running", HELD)
    query = (
        select(jobs.c.id)
        .where(jobs.c.finished_at.is_(None), jobs.c.due_at <= clock(), which.condition)
        .where(jobs.c.id.not_in(select(running.c.id)))
        .order_by(jobs.c.priority.desc(), jobs.c.due_at, jobs.c.id)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
    )
    # With IN, PostgreSQL may run the query more than once, and take more than its limit.
    once = jobs.c.id == any_(func.array(query.scalar_subquery()))
    return (
        update(jobs)
        .where(jobs.c.id.in_(query) if dialect == "sqlite" else once)
        .values(
            status=Status.running,
            attempt=jobs.c.attempt + 1,
            due_at=clock(bindparam("seconds", type_=Float)),
            started_at=clock(),
            lease=bindparam("token"),
            worker=bindparam("by"),
        )
        .returning(*_CLAIMED)
    )


async def renew(session: AsyncSession, leases: Collection[Lease], seconds: float) -> set[int]:
    """Renew leases, also those that are over and that nobody took. An id that is not returned is lost."""
    statement = _renewing(_dialect(session))
    return set(await _ids(session, statement, {"held": _told(leases), "seconds": seconds}))


@cache
def _renewing(dialect: str) -> ReturningUpdate[Any]:
    held = given.rows(dialect, "held", HELD)
    later = clock(bindparam("seconds", type_=Float))
    return update(jobs).where(*is_held(dialect, held)).values(due_at=later).returning(jobs.c.id)


async def cancelled(session: AsyncSession, leases: Collection[Lease]) -> set[int]:
    """Return the ids of those that are to be cancelled."""
    return set(await _ids(session, _cancelled(_dialect(session)), {"held": _told(leases)}))


@cache
def _cancelled(dialect: str) -> Select[tuple[int]]:
    held = given.rows(dialect, "held", HELD)
    return select(jobs.c.id).where(*is_held(dialect, held), jobs.c.cancel_requested.is_(True))


async def report(line: Line, news: Collection[tuple[Lease, Progress]]) -> None:
    """Write how far runs are; of those whose lease is lost, nothing."""
    told = [
        {
            "id": lease.id,
            "lease": lease.token,
            "done": progress.done,
            "total": progress.total,
            "message": progress.message,
        }
        for lease, progress in news
    ]
    await line.fetch(_reporting(line.dialect.name), {"told": to_json(told).decode()})


@cache
def _reporting(dialect: str) -> ReturningUpdate[Any]:
    columns = HELD | {"done": BigInteger, "total": BigInteger, "message": Text}
    told = given.rows(dialect, "told", columns)
    values = {name: told.c[name] for name in ("done", "total", "message")}
    return update(jobs).where(*is_held(dialect, told)).values(values).returning(jobs.c.id)


def is_held(dialect: str, held: FromClause) -> tuple[ColumnElement[bool], ...]:
    """Return for SQL whether a job is one of these, and has the lease that is given for it."""
    is_same = (jobs.c.id == held.c.id, jobs.c.lease == held.c.lease)
    if dialect == "sqlite":
        return is_same
    # The ids alone, too: PostgreSQL takes them for few, and finds them by their index. Joined with rows of
    # which it knows nothing it reads the whole table, where that is new and it knows nothing of it either.
    return (jobs.c.id == any_(func.array(select(held.c.id).scalar_subquery())), *is_same)


def _is_one_of(column: ColumnElement[str], names: Collection[str]) -> ColumnElement[bool]:
    # Each a parameter: a list that is one has no text before it has values.
    return column.in_([literal(name) for name in names]) if names else false()


def _told(leases: Collection[Lease]) -> str:
    return to_json([{"id": lease.id, "lease": lease.token} for lease in leases]).decode()


def _dialect(session: AsyncSession) -> str:
    return session.get_bind().dialect.name


async def _ids(session: AsyncSession, statement: Any, values: dict[str, Any]) -> list[int]:
    return [row[0] for row in await session.execute(statement, values)]
