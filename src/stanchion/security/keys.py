"""API keys: random, shown once, kept as a hash, revocable."""

import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    MetaData,
    RowMapping,
    String,
    Table,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.database import BigID, UTCDateTime, now, on_commit
from stanchion.secret import new_key
from stanchion.security.cache import forget

Scope = Literal["read", "write"]
ALL_SCOPES: tuple[Scope, ...] = ("read", "write")
_PREFIX = re.compile(r"(st_[a-z2-7]{8})_")

log = structlog.stdlib.get_logger("stanchion.security")

metadata = MetaData()

api_keys = Table(
    "stanchion_api_keys",
    metadata,
    Column("id", BigID, primary_key=True),
    Column("user_id", BigInteger, nullable=True, index=True),
    Column("name", String(100), nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("scopes", String(100), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("expires_at", UTCDateTime, nullable=True),
    Column("revoked_at", UTCDateTime, nullable=True),
    sqlite_autoincrement=True,
)
"""The table of keys. Its revisions are the library's own; `user_id` is NULL for a service key."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored: everything but the secret."""

    id: int
    user_id: int | None
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def is_active(self) -> bool:
        """Whether it opens anything now."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now())


def digest(key: str) -> str:
    """Return the SHA-256 of a key in hex. 256 random bits need no slow hash: nobody can try them all."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def prefix(key: str) -> str:
    """Return the part of a key that may be shown, `st_ab2cd3ef`; nothing of a text that is no key of ours."""
    ours = _PREFIX.match(key)
    return ours[1] if ours else ""


async def create(
    session: AsyncSession,
    *,
    user_id: int | None,
    name: str,
    scopes: Sequence[Scope] = ALL_SCOPES,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Store a new key and return it with its secret, which nobody can read again."""
    secret = new_key()
    values = {
        "user_id": user_id,
        "name": name,
        "prefix": prefix(secret),
        "digest": digest(secret),
        "scopes": " ".join(sorted(set(scopes))),
        "created_at": now(),
        "expires_at": expires_at,
    }
    result = await session.execute(insert(api_keys).values(values).returning(*api_keys.c))
    key = _key(result.mappings().one())
    on_commit(session, log.info, "key_created", key_id=key.id, prefix=key.prefix, user_id=user_id)
    return key, secret


async def list_keys(session: AsyncSession, *, user_id: int | None) -> list[ApiKey]:
    """Return the keys of a user that are not revoked, or of the service itself for None, newest first."""
    query = (
        select(api_keys).where(_of(user_id), api_keys.c.revoked_at.is_(None)).order_by(api_keys.c.id.desc())
    )
    return [_key(row) for row in (await session.execute(query)).mappings()]


async def list_all(session: AsyncSession) -> list[ApiKey]:
    """Return every key, revoked ones too, newest first."""
    rows = await session.execute(select(api_keys).order_by(api_keys.c.id.desc()))
    return [_key(row) for row in rows.mappings()]


async def get(session: AsyncSession, key_id: int) -> ApiKey | None:
    """Return the key of this id, revoked or not; None where there is none."""
    row = (await session.execute(select(api_keys).where(api_keys.c.id == key_id))).mappings().one_or_none()
    return None if row is None else _key(row)


async def revoke(session: AsyncSession, key_id: int, *owner: ColumnElement[bool]) -> bool:
    """Revoke a key for good; False where there is none that is active and meets the conditions of `owner`.

    A KeyGuard refuses it at once in this process, and in others when its `cache` is over.
    """
    statement = (
        update(api_keys)
        .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None), *owner)
        .values(revoked_at=now())
        .returning(api_keys.c.prefix)
    )
    revoked = (await session.execute(statement)).scalar_one_or_none()
    if revoked is None:
        return False
    on_commit(session, forget)
    on_commit(session, log.info, "key_revoked", key_id=key_id, prefix=revoked)
    return True


async def revoke_own(session: AsyncSession, key_id: int, *, user_id: int | None) -> bool:
    """Revoke a key of this user, or of the service for None; False where there is no such key."""
    return await revoke(session, key_id, _of(user_id))


async def find(session: AsyncSession, key: str, *also: ColumnElement[bool]) -> tuple[ApiKey, bool] | None:
    """Look a key up by its hash, and with it whether all of `also` holds; None if it is unknown.

    The database compares hashes, whose bits an attacker cannot choose, so that the time it
    takes tells nothing about a key.
    """
    columns = [condition.label(f"also_{index}") for index, condition in enumerate(also)]
    query = select(*api_keys.c, *columns).where(api_keys.c.digest == digest(key))
    row = (await session.execute(query)).mappings().one_or_none()
    return None if row is None else (_key(row), all(row[column.name] for column in columns))


async def active_ids(session: AsyncSession, ids: Collection[int]) -> set[int]:
    """Return those of these keys' ids that open something now."""
    if not ids:
        return set()
    expires = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now())
    active = select(api_keys.c.id).where(api_keys.c.id.in_(ids), api_keys.c.revoked_at.is_(None), expires)
    return set((await session.scalars(active)).all())


def _of(user_id: int | None) -> ColumnElement[bool]:
    """Compare the owner null-safely, in a form that an index can serve."""
    return api_keys.c.user_id.is_(None) if user_id is None else api_keys.c.user_id == user_id


def _key(row: RowMapping) -> ApiKey:
    return ApiKey(
        id=row["id"],
        user_id=row["user_id"],
        name=row["name"],
        prefix=row["prefix"],
        scopes=tuple(row["scopes"].split()),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )
