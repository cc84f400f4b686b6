"""Job: a job as its row tells of it."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from stanchion.jobs.table import Status


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed: the exception's type, its message, its traceback in the job's function.

    `details` are those of a GiveUpError, or what a domain error adds to its problem; of these two
    `is_refusal` is true, and the message is for whoever has asked for the job. `code` is a domain error's.
    """

    type: str
    message: str
    trace: str
    details: Any = None
    is_refusal: bool = False
    code: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job, as it was when it was read; times are in UTC, by the database's clock.

    `attempt` counts those begun. `done`, `total` and `message` are what the job told last of its
    progress, `result` what it returned, `error` why the last attempt failed; `retry_at` is when
    the next one is due.
    """

    id: int
    name: str
    queue: str
    status: Status
    attempt: int
    max_attempts: int
    priority: int
    due_at: datetime
    unique_key: str | None
    cancel_requested: bool
    worker: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    done: int | None
    total: int | None
    message: str | None
    error: Failure | None
    arguments: dict[str, Any] = field(repr=False)
    result: Any = field(repr=False)

    @property
    def is_finished(self) -> bool:
        """Whether it is over: done, failed or cancelled."""
        return self.finished_at is not None

    @property
    def retry_at(self) -> datetime | None:
        """When the next attempt is due, of a queued job whose last one failed; else None."""
        is_again = self.status is Status.queued and self.attempt > 0 and self.error is not None
        return self.due_at if is_again else None


_COPIED = tuple(
    name
    for name in Job.__dataclass_fields__
    if name not in ("status", "error", "arguments", "result", "cancel_requested")
)


def read(row: RowMapping) -> Job:
    """Make a Job of a row."""
    return Job(
        **{name: row[name] for name in _COPIED},
        status=Status(row["status"]),
        cancel_requested=bool(row["cancel_requested"]),
        error=Failure(**json.loads(row["error"])) if row["error"] else None,
        arguments=json.loads(row["arguments"]),
        result=json.loads(row["result"]) if row["result"] else None,
    )
