"""The change log: what was written, as rows of the writer's own transaction (a transactional outbox)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zlib import crc32

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Delete,
    Dialect,
    FromClause,
    Index,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    not_,
    or_,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.caller import Caller
from stanchion.database.columns import BigID, TransactionID, UTCDateTime, now
from stanchion.database.direct import Direct
from stanchion.database.ready import Ready
from stanchion.database.wakes import is_told, telling
from stanchion.log import bound

TOPIC = "stanchion_events"
"""What `notify` and `Wakes` call the log; the topics of its rows are another thing."""
_LAST = 2**63 - 1
"""The last place that there is."""
_TRIMMER = int.from_bytes(b"trimmer")
"""The key of PostgreSQL's advisory lock: one trims at a time, so that what is left has no holes."""

metadata = MetaData()

events = Table(
    "stanchion_events",
    metadata,
    Column("xid", TransactionID, nullable=True, server_default=text("pg_current_xact_id()")),
    Column("id", BigID, primary_key=True, autoincrement=True),
    Column("topic", String(100), nullable=False),
    Column("kind", String(50), nullable=False),
    Column("key", String(255), nullable=False),
    Column("version", BigInteger, nullable=True),
    Column("owner_id", BigInteger, nullable=True),
    Column("visibility", Text, nullable=True),
    Column("data", Text, nullable=False),
    Column("key_id", BigInteger, nullable=True),
    Column("user_id", BigInteger, nullable=True),
    Column("request_id", String(128), nullable=True),
    Column("created_at", UTCDateTime, nullable=False),
    Index("ix_stanchion_events_topic_id", "topic", "id"),
    sqlite_autoincrement=True,
)
"""The log. On PostgreSQL `xid` stands before `id`: a transaction has its own number before the sequence is
asked. So whoever has seen all transactions up to a number end knows which places will stay empty."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be told of one row. `data` is JSON, and is stored as it is."""

    key: str
    """The primary key of the row, as text."""
    data: str
    version: int | None = None
    owner_id: int | None = None
    """Whose row it is: kept with the event, for of a row that is gone nobody can ask."""
    visibility: str | None = None
    """Who else may see it, in the words of the topic: a team, a tenant."""


@dataclass(frozen=True, slots=True)
class Event:
    """A change as it stands in the log, at its place `id`."""

    id: int
    topic: str
    kind: str
    key: str
    version: int | None
    owner_id: int | None
    visibility: str | None
    data: str
    key_id: int | None
    user_id: int | None
    request_id: str | None
    created_at: datetime

    @property
    def mark(self) -> str:
        """Return 8 characters by which another event at the same place is known.

        After a database was restored from a copy, places are given again.
        """
        return f"{crc32(f'{self.created_at.isoformat()} {self.topic} {self.key}'.encode()):08x}"


CIRCUMSTANCES = ("key_id", "user_id", "request_id", "created_at")
"""The columns that say who wrote, and when: the same in the events of one write."""

COLUMNS = tuple(column for column in events.c if column.name != "xid")
"""What is read of a row: the fields of an Event."""


def event_of(row: RowMapping) -> Event:
    """Return a row of the log as an Event."""
    return Event(**{column.name: row[column] for column in COLUMNS})


async def append(
    session: AsyncSession,
    topic: str,
    kind: str,
    changes: Sequence[Change],
    *,
    caller: Caller | None = None,
) -> None:
    """Write what has changed to the log, in the caller's transaction: one INSERT, which wakes who waits.

    Call it after the statement that wrote the row, in the same transaction: that one holds the row's
    lock, so that the events of a row have the order of its versions.
    """
    if not changes:
        return
    same = dict(zip(CIRCUMSTANCES, circumstances(caller), strict=True))
    rows: list[dict[str, Any]] = [
        {
            **same,
            "topic": topic,
            "kind": kind,
            "key": one.key,
            "version": one.version,
            "owner_id": one.owner_id,
            "visibility": one.visibility,
            "data": one.data,
        }
        for one in changes
    ]
    connection = await session.connection()
    statement = insert(events).inline()
    # One round trip: who waits is told by the statement itself.
    await connection.execute(statement.returning(telling(TOPIC)) if is_told(session) else statement, rows)


def circumstances(caller: Caller | None) -> tuple[Any, ...]:
    """Return who writes, and when: the values of CIRCUMSTANCES."""
    key_id, user_id = (None, None) if caller is None else (caller.key_id, caller.user_id)
    return key_id, user_id, bound("request_id"), now()


async def trim(
    session: AsyncSession,
    *,
    max_age: timedelta = timedelta(days=7),
    max_count: int = 100_000,
    at_once: int = 1000,
) -> int:
    """Delete events that are older than `max_age`, or of which more than `max_count` came later.

    At most `at_once` of them, oldest first, without a hole; the newest stays whatever its age. Returns how
    many: as many as `at_once` says that there may be more. 0 where another transaction is at it.
    """
    statement = _deletion(on_postgresql=session.get_bind().dialect.name == "postgresql")
    deleted: Any = await session.execute(statement, _limits(max_age, max_count, at_once))
    return int(deleted.rowcount)


async def trim_past(direct: Direct, *, max_age: timedelta, max_count: int, at_once: int) -> bool:
    """Do what `trim` does, without a session; False where the database refuses it.

    Raises what `Direct.write` raises.
    """
    rows = await direct.write([_trimming(direct.dialect)], _limits(max_age, max_count, at_once))
    return rows is not None


def _limits(max_age: timedelta, max_count: int, at_once: int) -> dict[str, Any]:
    try:
        before = now() - max_age
    except OverflowError:  # they are kept for ever
        before = datetime.min.replace(tzinfo=UTC)
    return {"before": before, "max_count": min(max_count, _LAST), "at_once": at_once}


@lru_cache(maxsize=8)
def _trimming(dialect: Dialect) -> Ready:
    return Ready.of(_deletion(on_postgresql=dialect.name == "postgresql"), dialect)


@lru_cache(maxsize=2)
def _deletion(*, on_postgresql: bool) -> Delete:
    """Return the statement that deletes what is old. Where nothing is, it reads one row.

    Its two bounds let PostgreSQL take the index whatever it knows of the table: `id IN` read all of it once
    the plan was for any limit, and compared each of 500 with each row where the log had been empty.
    """
    oldest = select(events.c.id, events.c.created_at).order_by(events.c.id)
    is_anything_old = select(_is_old(oldest.limit(1).subquery())).scalar_subquery()
    read = case((is_anything_old, bindparam("at_once", type_=Integer)), else_=0)
    some = oldest.limit(read).subquery()
    kept = select(func.min(some.c.id)).where(not_(_is_old(some))).scalar_subquery()
    last = select(func.max(some.c.id)).where(some.c.id < func.coalesce(kept, _LAST)).scalar_subquery()
    first = select(func.min(events.c.id)).scalar_subquery()
    statement = delete(events).where(events.c.id >= first, events.c.id <= last)
    return statement.where(_IS_ALONE) if on_postgresql else statement


def _is_old(rows: FromClause) -> ColumnElement[bool]:
    newest = select(func.max(events.c.id)).scalar_subquery()
    before = bindparam("before", type_=events.c.created_at.type)
    last = newest - bindparam("max_count", type_=BigInteger)
    return and_(rows.c.id < newest, or_(rows.c.created_at < before, rows.c.id <= last))


_IS_ALONE = select(func.pg_try_advisory_xact_lock(_TRIMMER)).scalar_subquery()
