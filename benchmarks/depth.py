"""What a page costs at depth 900,000 of 1,000,000 rows, by cursor and by offset, beside the first page.

Through `Selection`, as a list does it, on SQLite and on a PostgreSQL server that is started for it; the
pages are asked for in turns, so that what else the machine does falls on all of them. Prints the medians
and their ratios, and exits with 1 where a page by cursor costs over 1.3 times the first.

    python benchmarks/depth.py [--rows 1000000] [--rounds 200] [--database sqlite|postgresql]
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta

from fastapi import Request, Response
from sqlalchemy import BigInteger, Column, Index, insert, select, text
from sqlmodel import Field, SQLModel, col

from stanchion.database import BigID, Database, UTCDateTime
from stanchion.pagination import Cursor, Listing, Selection
from stanchion.signing import Signer
from stanchion.testing import postgres

LIMIT = 1.3
BATCH = 10_000
START = datetime(2026, 1, 1, tzinfo=UTC)
SIGNER = Signer("the secret of a benchmark")


class Deep(SQLModel, table=True):
    __tablename__ = "deep_rows"
    __table_args__ = (Index("ix_deep_rows_owner_id_created_at_id", "owner_id", "created_at", "id"),)

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True))
    owner_id: int = Field(sa_type=BigInteger)
    title: str
    created_at: datetime = Field(sa_type=UTCDateTime)


LISTING = Listing(Deep, sort=["created_at"], signer=SIGNER)


async def fill(database: Database, rows: int) -> None:
    """Make the table: ten rows share a moment."""
    async with database.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.tables["deep_rows"].create)
    for start in range(0, rows, BATCH):
        values = [
            {
                "id": one,
                "owner_id": 1,
                "title": f"row {one}",
                "created_at": START + timedelta(seconds=one // 10),
            }
            for one in range(start + 1, min(start + BATCH, rows) + 1)
        ]
        async with database.transaction() as session:
            await session.execute(insert(Deep), values)
    async with database.transaction() as session:
        await session.execute(text("ANALYZE"))


async def selection(query: str) -> Selection:
    """Return what the request for this page selects."""
    scope = {"type": "http", "method": "GET", "path": "/deep", "query_string": query.encode(), "headers": []}
    parts = dict(part.split("=", 1) for part in query.split("&") if part)
    return await LISTING(Request(scope), LISTING.query(**parts))


async def page(database: Database, query: str) -> float:
    """Return the seconds that a page takes, from its query to its rows and links."""
    started = time.perf_counter()
    selected = await selection(query)
    async with database.read() as session:
        rows = await selected.fetch(session, select(Deep).where(col(Deep.owner_id) == 1), Response())
    seconds = time.perf_counter() - started
    assert len(rows) == 50
    return seconds


async def deep_cursor(database: Database, depth: int) -> str:
    """Return the cursor after so many rows."""
    selected = await selection("sort=created_at")
    async with database.read() as session:
        place = (await session.execute(select(*selected.order.kept).where(col(Deep.id) == depth))).one()
    return Cursor.beside(place, selected.order, backward=False).seal(SIGNER, selected.list_of)


async def measure(url: str, rows: int, rounds: int) -> bool:
    """Print what pages cost, and tell whether the deep one is within the limit."""
    database = Database(url)
    await fill(database, rows)
    depth = rows * 9 // 10
    queries = {
        "first page": "sort=created_at",
        f"cursor at {depth:,}": f"sort=created_at&cursor={await deep_cursor(database, depth)}",
    }
    seconds: dict[str, list[float]] = {name: [] for name in queries}
    for _ in range(rounds):
        for name, query in queries.items():
            seconds[name].append(await page(database, query))
    slow = f"offset at {depth:,}"
    seconds[slow] = [await page(database, f"sort=created_at&offset={depth}") for _ in range(3)]
    first = statistics.median(seconds["first page"])
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(f"  {name:20} {median * 1000:8.2f} ms  {median / first:6.2f} x")
    await database.close()
    return statistics.median(seconds[f"cursor at {depth:,}"]) / first <= LIMIT


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], action="append")
    given = parser.parse_args()
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        for name in given.database or ["sqlite", "postgresql"]:
            print(f"{name}, {given.rows:,} rows")
            if name == "sqlite":
                kept &= asyncio.run(measure(f"sqlite:///{folder}/deep.db", given.rows, given.rounds))
                continue
            with postgres.PostgresServer() as server:
                kept &= asyncio.run(measure(server.create_database(), given.rows, given.rounds))
    if not kept:
        print(f"A page by cursor costs over {LIMIT} times the first.")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
