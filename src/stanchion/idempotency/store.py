"""The table of replies: a key is claimed, its reply kept, and in the end swept."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    and_,
    delete,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.database import UTCDateTime, now
from stanchion.database.failures import reason
from stanchion.idempotency.errors import KeyInUseError, KeyReusedError

_LOCK_NOT_AVAILABLE = "55P03"
_BATCH = 64
"""Expired rows that are deleted at a time."""

metadata = MetaData()

replies = Table(
    "stanchion_replies",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", SmallInteger, nullable=True),
    Column("headers", Text, nullable=True),
    Column("body", LargeBinary, nullable=True),
    Column("expires_at", UTCDateTime, nullable=False, index=True),
)
"""One row for each key. Without a status it is a claim, whose transaction goes on."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it is stored: what leaves again, byte for byte."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A key, as its scope, and the fingerprint of what came with it; both are forgotten at `expires_at`."""

    scope: str
    fingerprint: str
    expires_at: datetime


async def take(session: AsyncSession, claim: Claim) -> Reply | None:
    """Claim a key; if it is taken, return its reply.

    Another transaction that has claimed it is waited for: on PostgreSQL by its row, on SQLite as
    any writer is. Raises KeyInUseError (409) where PostgreSQL has waited for `lock_timeout`; SQLite
    cannot tell what it waited for, so there the database is busy (503). Raises KeyReusedError
    (422) for another fingerprint.
    """
    try:
        if await _put(session, claim, None, over=replies.c.expires_at <= now()):
            return None
    except DBAPIError as exc:
        if reason(exc) == _LOCK_NOT_AVAILABLE:
            raise KeyInUseError from exc
        raise
    row = (await session.execute(select(replies).where(replies.c.scope == claim.scope))).one()
    if row.fingerprint != claim.fingerprint:
        raise KeyReusedError
    if row.status is None:  # somebody committed in the middle of a path operation, or will not end
        raise KeyInUseError
    return Reply(row.status, [(name, value) for name, value in json.loads(row.headers)], row.body)


async def keep(session: AsyncSession, claim: Claim, reply: Reply) -> None:
    """Store the reply with its claim.

    The path operation may have rolled the claim back, and done something else: then it is claimed
    again. Raises KeyInUseError (409) where another transaction came in between.
    """
    claimed = and_(replies.c.status.is_(None), replies.c.fingerprint == claim.fingerprint)
    if not await _put(session, claim, reply, over=claimed):
        raise KeyInUseError


async def release(session: AsyncSession, claim: Claim) -> None:
    """Give a key back: the same request may be sent again with it."""
    mine = replies.c.scope == claim.scope
    await session.execute(delete(replies).where(mine, replies.c.status.is_(None)))


async def sweep(session: AsyncSession) -> int:
    """Delete some of the expired rows, and return how many; what another transaction works on stays."""
    expired = replies.c.expires_at <= now()
    query = select(replies.c.scope).where(expired).order_by(replies.c.expires_at).limit(_BATCH)
    found = (await session.scalars(query.with_for_update(skip_locked=True))).all()
    if found:
        await session.execute(delete(replies).where(replies.c.scope.in_(found)))
    return len(found)


async def _put(
    session: AsyncSession, claim: Claim, reply: Reply | None, *, over: ColumnElement[bool]
) -> bool:
    """Insert a row, or put it over the one of this key that meets the condition; tell whether it is there."""
    values: dict[str, Any] = {
        "scope": claim.scope,
        "fingerprint": claim.fingerprint,
        "status": reply.status if reply else None,
        "headers": json.dumps(reply.headers) if reply else None,
        "body": reply.body if reply else None,
        "expires_at": claim.expires_at,
    }
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    upsert = (
        dialect.insert(replies)
        .values(values)
        .on_conflict_do_update(index_elements=[replies.c.scope], set_=values, where=over)
        .returning(replies.c.scope)
    )
    return await session.scalar(upsert) is not None
