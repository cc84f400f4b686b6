"""The table of jobs, and the database's clock, by which all of its times are told."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    literal,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from stanchion.database import BigID, UTCDateTime


class Status(StrEnum):
    """What a job is: `failed` is a dead letter, which no worker takes again by itself."""

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"
    cancelled = "cancelled"


metadata = MetaData()

jobs = Table(
    "stanchion_jobs",
    metadata,
    Column("id", BigID, primary_key=True, autoincrement=True),
    Column("queue", String(100), nullable=False),
    Column("name", String(200), nullable=False),
    Column("arguments", Text, nullable=False),
    Column("status", String(10), nullable=False),
    Column("priority", SmallInteger, nullable=False),
    # From when a worker may take it: a queued job its time, a running one the end of its lease.
    Column("due_at", UTCDateTime, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("unique_key", String(255), nullable=True),
    Column("tick", UTCDateTime, nullable=True),
    Column("request_id", String(200), nullable=True),
    Column("lease", String(32), nullable=True),
    Column("worker", String(200), nullable=True),
    Column("cancel_requested", Boolean, nullable=False),
    Column("done", BigInteger, nullable=True),
    Column("total", BigInteger, nullable=True),
    Column("message", String(500), nullable=True),
    Column("result", Text, nullable=True),
    Column("error", Text, nullable=True),
    Column("created_at", UTCDateTime, nullable=False),
    Column("started_at", UTCDateTime, nullable=True),
    Column("finished_at", UTCDateTime, nullable=True),
    sqlite_autoincrement=True,
)
"""One row for each job; `finished_at` tells those that are over."""

_open = jobs.c.finished_at.is_(None)
_keyed = jobs.c.unique_key.is_not(None) & _open
_ticking = jobs.c.tick.is_not(None)

next_index = Index(
    "ix_stanchion_jobs_next",
    jobs.c.priority.desc(),
    jobs.c.due_at,
    jobs.c.id,
    sqlite_where=_open,
    postgresql_where=_open,
)
due_index = Index("ix_stanchion_jobs_due_at", jobs.c.due_at, sqlite_where=_open, postgresql_where=_open)
finished_index = Index(
    "ix_stanchion_jobs_finished_at", jobs.c.finished_at, sqlite_where=~_open, postgresql_where=~_open
)
key_index = Index(
    "uq_stanchion_jobs_unique_key",
    jobs.c.name,
    jobs.c.unique_key,
    unique=True,
    sqlite_where=_keyed,
    postgresql_where=_keyed,
)
tick_index = Index(
    "uq_stanchion_jobs_tick",
    jobs.c.name,
    jobs.c.tick,
    unique=True,
    sqlite_where=_ticking,
    postgresql_where=_ticking,
)


class clock(FunctionElement[datetime]):  # noqa: N801 - a function of SQL
    """The database's time in so many seconds: `clock(30)`. It is no machine's that may be set wrong.

    On PostgreSQL that of the statement, not of its transaction, and one that an index can serve.
    """

    name = "clock"
    inherit_cache = True
    type = UTCDateTime()

    def __init__(self, seconds: float | ColumnElement[float] = 0.0) -> None:
        super().__init__(seconds if isinstance(seconds, ColumnElement) else literal(float(seconds), Float))


@compiles(clock, "postgresql")
def _on_postgresql(element: clock, compiler: SQLCompiler, **options: Any) -> str:
    return f"(statement_timestamp() + make_interval(secs => {compiler.process(element.clauses, **options)}))"


@compiles(clock, "sqlite")
def _on_sqlite(element: clock, compiler: SQLCompiler, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    # Milliseconds, in the width that UTCDateTime keeps.
    return f"(strftime('%Y-%m-%dT%H:%M:%f', 'now', {seconds} || ' seconds') || '000Z')"
