"""The change log: what was written, as rows of the writer's own transaction (a transactional outbox)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from zlib import crc32

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Index,
    MetaData,
    RowMapping,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
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


CIRCUMSTANCES = ("topic", "kind", "key_id", "user_id", "request_id", "created_at")
"""The columns that are the same in the events of one write."""

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
    same = dict(zip(CIRCUMSTANCES, circumstances(topic, kind, caller), strict=True))
    rows: list[dict[str, Any]] = [
        {
            **same,
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


def circumstances(topic: str, kind: str, caller: Caller | None) -> tuple[Any, ...]:
    """Return what the events of one write have in common, the values of CIRCUMSTANCES.

    What it was, who made it, and when.
    """
    key_id, user_id = (None, None) if caller is None else (caller.key_id, caller.user_id)
    return topic, kind, key_id, user_id, bound("request_id"), now()


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
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    if on_postgresql and not await session.scalar(select(func.pg_try_advisory_xact_lock(_TRIMMER))):
        return 0
    for count in (1, at_once):  # mostly there is nothing to delete: then one row tells
        upto = _last_old(await session.execute(_OLDEST.limit(count)), max_age, max_count)
        if upto is None:
            return 0
    found = await session.scalars(delete(events).where(events.c.id <= upto).returning(events.c.id))
    return len(found.all())


async def has_old(direct: Direct, *, max_age: timedelta, max_count: int) -> bool:
    """Tell whether `trim` would delete anything, as far as one row tells."""
    ready = _oldest(direct.dialect)
    rows = await direct.fetch(ready, {}, is_short=True)
    return rows is None or _last_old(ready.read(rows), max_age, max_count) is not None


@lru_cache(maxsize=8)
def _oldest(dialect: Dialect) -> Ready:
    return Ready.of(_OLDEST.limit(1), dialect)


_OLDEST = select(
    events.c.id, events.c.created_at, select(func.max(events.c.id)).scalar_subquery().label("newest")
).order_by(events.c.id)


def _last_old(rows: Iterable[Any], max_age: timedelta, max_count: int) -> int | None:
    """Return the place of the last of the oldest events that may be deleted with all before it."""
    before, upto = now() - max_age, None
    for place, created_at, newest in rows:
        if place == newest or not (created_at < before or place <= newest - max_count):
            break
        upto = place
    return upto
