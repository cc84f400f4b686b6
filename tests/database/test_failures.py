"""What each refusal of a database means for the client, on both."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DatabaseError, DBAPIError, IntegrityError

from stanchion.database import BigID, Database, DatabaseBusyError, violation
from stanchion.database.failures import translated
from stanchion.errors import ConflictError, DomainError, InvalidError

pytestmark = pytest.mark.anyio

metadata = MetaData()
things = Table(
    "things",
    metadata,
    Column("id", BigID, primary_key=True),
    Column("name", String(5), unique=True),
    Column("owner", BigInteger, ForeignKey("things.id")),
    Column("size", Integer, CheckConstraint("size > 0")),
    Column("kind", String(5), nullable=False, server_default="a"),
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.execute(insert(things).values(id=100, name="a"))
    yield database
    await database.close()


async def refused(database: Database, **values: Any) -> BaseException:
    with pytest.raises(Exception) as failed:  # noqa: PT011 - the caller looks at it
        async with database.transaction() as session:
            await session.execute(insert(things).values(**values))
    return failed.value


@pytest.mark.parametrize(
    ("values", "kind", "meaning"),
    [
        ({"name": "a"}, "unique", ConflictError),
        ({"id": 100}, "unique", ConflictError),
        ({"owner": 7}, "foreign_key", ConflictError),
        ({"kind": None}, "not_null", IntegrityError),
        ({"size": 0}, "check", IntegrityError),
    ],
)
async def test_a_constraint(
    database: Database, values: dict[str, Any], kind: str, meaning: type[Exception]
) -> None:
    error = await refused(database, **values)
    assert type(error) is meaning
    cause = error if isinstance(error, IntegrityError) else error.__cause__
    assert isinstance(cause, IntegrityError)
    assert violation(cause) == kind


@pytest.mark.parametrize("values", [{"owner": 2**63}, {"owner": -(2**63) - 1}, {"name": "\ud800"}])
async def test_a_value_that_neither_can_keep(database: Database, values: dict[str, Any]) -> None:
    error = await refused(database, **values)
    assert isinstance(error, InvalidError)
    assert "too large" not in str(error)


@pytest.mark.parametrize("values", [{"size": 2**31}, {"name": "\x00"}, {"name": "abcdef"}])
async def test_a_value_that_postgresql_cannot_keep(postgresql_url: str, values: dict[str, Any]) -> None:
    database = Database(postgresql_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    assert isinstance(await refused(database, **values), InvalidError)
    await database.close()


async def test_a_lock_that_was_not_to_be_had(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    async with database.transaction() as holder:
        await holder.execute(text("LOCK TABLE things"))
        with pytest.raises(DatabaseBusyError):
            async with database.transaction() as session:
                await session.execute(text("LOCK TABLE things NOWAIT"))
    await database.close()


async def test_a_statement_that_is_wrong_is_the_codes_fault(database: Database) -> None:
    with pytest.raises(DBAPIError) as failed:
        async with database.read() as session:
            await session.execute(text("SELECT nothing FROM nowhere"))
    assert not isinstance(failed.value, DomainError)


async def test_code_inside_sees_sqlalchemys_own_error(database: Database) -> None:
    async with database.transaction() as session:
        with pytest.raises(IntegrityError):
            async with session.begin_nested():
                await session.execute(insert(things).values(name="a"))
        await session.execute(insert(things).values(name="b"))
    async with database.read() as session:
        assert set(await session.scalars(select(things.c.name))) == {"a", "b"}


async def test_no_message_shows_a_parameter(database: Database) -> None:
    error = await refused(database, kind=None, name="pass!")
    assert "pass!" not in str(error)


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "app.db").write_text("something else, long enough to be looked at" * 100)
    database = Database(f"sqlite:///{tmp_path}/app.db")
    with pytest.raises(DatabaseError, match="file is not a database"):
        await database.ping()
    await database.close()


def test_what_is_not_the_databases_passes() -> None:
    with pytest.raises(OverflowError), translated():
        raise OverflowError
