"""Ending: how a run has ended, and the one statement that writes any number of them."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic_core import to_json
from sqlalchemy import BigInteger, Float, Integer, String, Text, case, func, null, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningUpdate

from stanchion.database.wakes import telling
from stanchion.jobs import given
from stanchion.jobs.leases import HELD, Lease, Progress, is_held
from stanchion.jobs.line import Line
from stanchion.jobs.record import Failure
from stanchion.jobs.store import TOPIC
from stanchion.jobs.table import Status, clock, jobs

_COLUMNS = HELD | {
    "status": String,
    "done": BigInteger,
    "total": BigInteger,
    "message": Text,
    "result": Text,
    "error": Text,
    "due_in": Float,
    "unbegun": Integer,
}


class How(StrEnum):
    """How a run has ended; one that was stopped is given back to other workers."""

    done = "done"
    failed = "failed"
    cancelled = "cancelled"
    stopped = "stopped"


@dataclass(slots=True, eq=False)
class Ending:
    """The end of a run; a failed one may be tried again, in so many seconds."""

    lease: Lease
    how: How
    progress: Progress | None = None
    result: str | None = None
    error: Failure | None = None
    retry_in: float | None = None
    is_written: bool = False

    @property
    def row(self) -> dict[str, Any]:
        """The same as `write` gives it to the database."""
        row: dict[str, Any] = {"id": self.lease.id, "lease": self.lease.token, "status": self.how}
        if self.how is How.stopped:  # as if it had not been claimed
            row |= {"status": Status.queued, "due_in": 0.0, "unbegun": 1}
        elif self.retry_in is not None:
            row |= {"status": Status.queued, "due_in": self.retry_in}
        if self.progress is not None:
            row |= {
                "done": self.progress.done,
                "total": self.progress.total,
                "message": self.progress.message,
            }
        if self.result is not None:
            row["result"] = self.result
        if self.error is not None:
            row["error"] = json.dumps(asdict(self.error))
        return row


async def write(line: Line, endings: Collection[Ending], *, is_loud: bool) -> set[int]:
    """Write how runs have ended; return the ids of those whose lease was not lost: nothing of the others.

    A job that waits again wakes the workers, where the database can (`is_loud`).
    """
    rows = to_json([ending.row for ending in endings]).decode()
    statement = _writing(line.dialect.name, is_loud=is_loud)
    return {row[0] for row in await line.fetch(statement, {"ended": rows})}


async def write_with(session: AsyncSession, ending: Ending) -> bool:
    """Write how a run has ended together with what it has written; False where its lease is lost."""
    statement = _writing(session.get_bind().dialect.name, is_loud=False)
    found = await session.execute(statement, {"ended": to_json([ending.row]).decode()})
    return found.first() is not None


@cache
def _writing(dialect: str, *, is_loud: bool) -> ReturningUpdate[Any]:
    ended = given.rows(dialect, "ended", _COLUMNS)
    is_over = ended.c.due_in.is_(None)
    values = {
        "status": ended.c.status,
        "finished_at": case((is_over, clock())),
        "due_at": case((is_over, jobs.c.due_at), else_=clock(ended.c.due_in)),
        "attempt": jobs.c.attempt - func.coalesce(ended.c.unbegun, 0),
        "lease": null(),
        "done": ended.c.done,
        "total": ended.c.total,
        "message": ended.c.message,
        "result": ended.c.result,
        "error": case(
            (ended.c.status == Status.done, null()), else_=func.coalesce(ended.c.error, jobs.c.error)
        ),
    }
    told = [case((~is_over, telling(TOPIC)))] if is_loud else []
    written = update(jobs).where(*is_held(dialect, ended)).values(values)
    return written.returning(jobs.c.id, *told)
