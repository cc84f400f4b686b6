"""A page is a walk along an index, however deep: no sort, no row that is passed over, on both databases."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Index, insert, select, text
from sqlmodel import Field, SQLModel, col
from tests.databases import ENGINES, renewable

from stanchion.database import BigID, Database
from stanchion.pagination import Sorting

pytestmark = pytest.mark.anyio

ROWS = 10_000
EACH = 1_000


class Indexed(SQLModel, table=True):
    __tablename__ = "indexed_rows"
    __table_args__ = (
        Index("ix_indexed_rows_owner_id_id", "owner_id", "id"),
        Index("ix_indexed_rows_owner_id_rank_id", "owner_id", "rank", "id"),
    )

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True))
    owner_id: int | None = Field(sa_type=BigInteger)
    rank: int


async def fill(database: Database) -> None:
    table = SQLModel.metadata.tables["indexed_rows"]
    async with database.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all, tables=[table])
        rows = [{"id": one, "owner_id": one // EACH, "rank": one // 2} for one in range(1, ROWS + 1)]
        await connection.execute(insert(Indexed), rows)
        await connection.execute(text("ANALYZE"))


@pytest.fixture(scope="module", params=ENGINES)
def filled(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database with these rows, which no test changes."""
    with renewable(request, fill) as one:
        one.renew()
        yield one.url


@pytest.fixture
async def database(filled: str) -> AsyncIterator[Database]:
    database = Database(filled)
    yield database
    await database.close()


async def plan(database: Database, statement: Any) -> str:
    """Return what the database would do."""
    dialect = database.engine.dialect
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    parameters = tuple(compiled.params[name] for name in compiled.positiontup)
    word = "EXPLAIN QUERY PLAN" if dialect.name == "sqlite" else "EXPLAIN"
    async with database.read() as session:
        if dialect.name == "postgresql":  # which gathers and sorts where there are few rows
            await session.execute(text("SET LOCAL enable_bitmapscan = off"))
        connection = await session.connection()
        lines = await connection.exec_driver_sql(f"{word} {compiled}", parameters)
        return "\n".join(" ".join(map(str, line)) for line in lines)


@pytest.mark.parametrize("sort", ["", "id", "-id", "rank", "-rank"])
@pytest.mark.parametrize("backward", [False, True])
async def test_a_page_walks_an_index(database: Database, sort: str, backward: bool) -> None:
    order = Sorting(Indexed, ["rank"]).order(sort)
    values = [{"id": 5_501, "rank": 2_750}[key.name] for key in order.keys]
    order = order.reversed() if backward else order
    narrowed = select(Indexed).where(col(Indexed.owner_id) == 5).limit(51)
    for statement in (narrowed, narrowed.where(order.after(values))):
        said = await plan(database, statement.order_by(*order.clauses))
        name = f"ix_indexed_rows_owner_id_{'rank_' if 'rank' in sort else ''}id"
        assert name in said, said
        assert "TEMP B-TREE" not in said, said  # SQLite's sort
        assert "Sort" not in said, said  # PostgreSQL's
        assert "Filter" not in said, said  # rows that are read and left out
    # The place is a bound of the walk. Of a row's two values SQLite takes the first alone where the second
    # is its rowid, and passes over ties.
    bounds = ("rank", "ROW(rank,id)") if "rank" in sort else ("id", "rowid")
    assert any(f"{one}{sign}" in said.replace(" ", "") for one in bounds for sign in "<>"), said
