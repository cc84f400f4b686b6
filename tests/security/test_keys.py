"""API keys in their table: made, listed, found and revoked."""

import hashlib
import re
from collections.abc import AsyncIterator, MutableMapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from stanchion.database import Database, now
from stanchion.secret import new_key
from stanchion.security import create, find, list_all, list_keys, revoke, revoke_own
from stanchion.security.keys import api_keys, digest, metadata, prefix

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield database
    await database.close()


def test_a_new_key() -> None:
    keys = {new_key() for _ in range(50)}
    assert len(keys) == 50
    for key in keys:
        assert re.fullmatch(r"st_[a-z2-7]{8}_[A-Za-z0-9_-]{43}", key)
        assert prefix(key) == key[:11]


@pytest.mark.parametrize("text", ["", "hunter2", "st_hunter2", "Bearer hunter2", "st_ABCDEFGH_x"])
def test_nothing_is_shown_of_what_is_no_key_of_ours(text: str) -> None:
    assert prefix(text) == ""


def test_a_digest() -> None:
    assert digest("a") == hashlib.sha256(b"a").hexdigest()
    assert digest(b"\xff".decode("utf-8", "surrogateescape")) == hashlib.sha256(b"\xff").hexdigest()


async def test_what_is_stored_does_not_hold_the_secret(
    database: Database, logged: list[MutableMapping[str, Any]]
) -> None:
    async with database.transaction() as session:
        key, secret = await create(session, user_id=7, name="laptop")
        assert logged == []
    assert (key.user_id, key.name, key.scopes, key.is_active) == (7, "laptop", ("read", "write"), True)
    assert secret.startswith(f"{key.prefix}_")
    async with database.read() as session:
        row = (await session.execute(text("SELECT * FROM stanchion_api_keys"))).one()
    assert secret[12:] not in str(row)
    (event,) = logged
    assert event == {
        "event": "key_created",
        "log_level": "info",
        "key_id": key.id,
        "prefix": key.prefix,
        "user_id": 7,
    }


async def test_find_by_the_secret_alone(database: Database) -> None:
    async with database.transaction() as session:
        key, secret = await create(session, user_id=7, name="laptop", scopes=["read", "read"])
        assert key.scopes == ("read",)
        assert await find(session, secret) == (key, True)
        assert await find(session, secret, api_keys.c.user_id == 7, api_keys.c.user_id == 8) == (key, False)
        for other in ("", key.prefix, digest(secret), f"{secret} ", new_key()):
            assert await find(session, other) is None


async def test_lists_are_the_owners_newest_first(database: Database) -> None:
    async with database.transaction() as session:
        made = [(await create(session, user_id=user, name="a"))[0] for user in (1, 2, None, 1)]
        one, two, service, again = made
        assert await revoke(session, two.id)
        assert await list_keys(session, user_id=1) == [again, one]
        assert await list_keys(session, user_id=2) == []
        assert await list_keys(session, user_id=None) == [service]
        assert [key.id for key in await list_all(session)] == [again.id, service.id, two.id, one.id]


async def test_revoked_for_good(database: Database, logged: list[MutableMapping[str, Any]]) -> None:
    async with database.transaction() as session:
        key, secret = await create(session, user_id=1, name="a")
    async with database.transaction() as session:
        for stranger in (2, None):
            assert not await revoke_own(session, key.id, user_id=stranger)
        assert await revoke_own(session, key.id, user_id=1)
        assert not await revoke_own(session, key.id, user_id=1)
        assert not await revoke(session, key.id + 1)
    async with database.read() as session:
        found = await find(session, secret)
    assert found
    assert not found[0].is_active
    assert [event["event"] for event in logged] == ["key_created", "key_revoked"]
    assert logged[1]["prefix"] == key.prefix


async def test_an_expiry(database: Database) -> None:
    async with database.transaction() as session:
        past, _ = await create(session, user_id=1, name="a", expires_at=now() - timedelta(seconds=1))
        future, _ = await create(session, user_id=1, name="a", expires_at=now() + timedelta(minutes=1))
        assert (past.is_active, future.is_active) == (False, True)
        assert (
            await session.scalar(select(api_keys.c.expires_at).where(api_keys.c.id == past.id))
            == past.expires_at
        )
