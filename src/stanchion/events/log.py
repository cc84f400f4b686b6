"""Reading the change log: what came after a place, and whether a place is still there."""

import re
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, func, literal, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.database.changes import COLUMNS, Event, event_of, events

_POSITION = re.compile(r"([0-9]{1,19})-([0-9a-f]{8})", re.ASCII)
_HIGHEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log, and the mark of the event that stands there."""

    place: int
    mark: str

    def __str__(self) -> str:
        """Return what a client gets as `id:`, and sends back as `Last-Event-ID`."""
        return f"{self.place}-{self.mark}"


NOWHERE: Final = Position(0, "0" * 8)
"""Before all events: where a reader of an empty log stands."""


def position_of(event: Event) -> Position:
    """Return where an event stands."""
    return Position(event.id, event.mark)


def parsed(text: str) -> Position | None:
    """Read a position; None for a text that is none."""
    found = _POSITION.fullmatch(text)
    return Position(int(found[1]), found[2]) if found and int(found[1]) <= _HIGHEST else None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some events, oldest first, of one snapshot."""

    events: list[Event]
    first: int
    """The place of the oldest event that there is, also of another topic."""
    horizon: int
    """All transactions with a smaller number had ended. On SQLite 0: there they end in the order of ids."""

    def has_hole(self, after: int) -> bool:
        """Tell whether events that came after this place were trimmed."""
        return self.first > after


def _statement(horizon: Any, *, of_topic: bool) -> Select[Any]:
    first = select(func.min(events.c.id)).scalar_subquery().label("first")
    statement = select(first, horizon.label("horizon"), *COLUMNS).where(events.c.id > bindparam("after"))
    if of_topic:
        statement = statement.where(events.c.topic == bindparam("topic"), events.c.id <= bindparam("upto"))
    return statement.order_by(events.c.id).limit(bindparam("most"))


_HORIZON: ColumnElement[int] = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
_NUMBER: ColumnElement[int] = literal_column("pg_current_xact_id()::text::bigint")
_FIRST = select(func.min(events.c.id))
_STATEMENTS = {
    (dialect, of_topic): _statement(horizon, of_topic=of_topic)
    for dialect, horizon in (("postgresql", _HORIZON), ("sqlite", literal(0)))
    for of_topic in (True, False)
}


async def after(session: AsyncSession, place: int, most: int) -> Batch:
    """Return the events of all topics that can be seen after a place: not all that will be there."""
    return await _batch(session, False, {"after": place, "most": most})


async def between(session: AsyncSession, place: int, upto: int, topic: str, most: int) -> Batch:
    """Return the events of a topic after a place, up to another that is settled."""
    found = await _batch(session, True, {"after": place, "upto": upto, "topic": topic, "most": most})
    # Asked afterwards, and also where nothing is left of this topic: what was trimmed before is noticed.
    return replace(found, first=await session.scalar(_FIRST) or 0)


async def _batch(session: AsyncSession, of_topic: bool, values: dict[str, Any]) -> Batch:
    statement = _STATEMENTS[session.get_bind().dialect.name, of_topic]
    rows = (await session.execute(statement, values)).mappings().all()
    if not rows:
        return Batch([], 0, 0)
    return Batch([event_of(row) for row in rows], rows[0]["first"], rows[0]["horizon"])


async def last(session: AsyncSession) -> Position:
    """Return the place of the newest event that can be seen."""
    found = await session.execute(select(*COLUMNS).order_by(events.c.id.desc()).limit(1))
    row = found.mappings().first()
    return NOWHERE if row is None else position_of(event_of(row))


async def is_there(session: AsyncSession, position: Position) -> bool:
    """Tell whether the event of a position is in the log: then nothing after it was trimmed."""
    found = await session.execute(select(*COLUMNS).where(events.c.id == position.place))
    row = found.mappings().first()
    return row is not None and event_of(row).mark == position.mark


async def number(session: AsyncSession) -> int:
    """Return the number of a transaction that begins now. PostgreSQL alone has one."""
    return (await session.scalars(select(_NUMBER))).one()


async def horizon(session: AsyncSession) -> int:
    """Return the number below which all transactions have ended. PostgreSQL alone has one."""
    return (await session.scalars(select(_HORIZON))).one()
