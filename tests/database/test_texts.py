"""Comparisons of texts that both databases make alike."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    MetaData,
    String,
    Table,
    column,
    func,
    insert,
    not_,
    select,
    text,
)

from stanchion.database import Database
from stanchion.database.texts import Contains, EndsWith, Lower, StartsWith

pytestmark = pytest.mark.anyio

WORDS = ["", "Milk", "milk", "a%b", "a_b", "a\\b", "it's", "ana", "ÄÖ", "äö", "日本", None]

metadata = MetaData()
words = Table("words", metadata, Column("id", Integer, primary_key=True), Column("word", String))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.transaction() as session:
        await (await session.connection()).run_sync(metadata.create_all)
        await session.execute(insert(words), [{"word": word} for word in WORDS])
    yield database
    await database.close()


async def found(database: Database, condition: ColumnElement[bool]) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(select(words.c.word).where(condition).order_by(words.c.id)))


async def test_parts(database: Database) -> None:
    texts = [word for word in WORDS if word is not None]
    word = words.c.word
    for part in ("", "m", "M", "%", "_", "\\", "'", "na", "ana", "anana", "b", "Ö", "本"):
        assert await found(database, Contains(word, part)) == [one for one in texts if part in one]
        assert await found(database, StartsWith(word, part)) == [one for one in texts if one.startswith(part)]
        assert await found(database, EndsWith(word, part)) == [one for one in texts if one.endswith(part)]
        assert await found(database, not_(Contains(word, part))) == [one for one in texts if part not in one]


async def test_lower_case(database: Database) -> None:
    assert await found(database, Lower(words.c.word) == Lower("MILK")) == ["Milk", "milk"]
    assert await found(database, Contains(Lower(words.c.word), Lower("IL"))) == ["Milk", "milk"]
    async with database.read() as session:
        assert await session.scalar(select(Lower(words.c.word)).where(words.c.word.is_(None))) is None


async def test_sqlite_knows_all_letters_on_each_connection(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    lower = select(func.stanchion_lower("ÄÖ ΩЖ É"), func.stanchion_lower(None), func.stanchion_lower(7))
    async with database.read() as first, database.read() as second:
        for session in (first, second):
            assert (await session.execute(lower)).one() == ("äö ωж é", None, 7)
    await database.close()


async def test_sqlite_may_index_it(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with database.transaction() as session:
        await (await session.connection()).run_sync(metadata.create_all)
        await session.execute(text("CREATE INDEX by_lower ON words (stanchion_lower(word))"))
        plan = await session.execute(
            text("EXPLAIN QUERY PLAN SELECT id FROM words WHERE stanchion_lower(word) = 'a'")
        )
        assert "by_lower" in str(plan.all())
    await database.close()


def test_it_can_be_printed() -> None:
    assert str(StartsWith(column("word"), column("part"))) == "starts_with(word, part)"
