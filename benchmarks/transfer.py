"""Export and import of many rows over HTTP, beside a plain SELECT and executemany by the driver.

A server of its own (uvicorn, one process) writes all rows of a table to a client and takes them in
again, in each format; then, with a new server, the same with a few rows of 0.9 MB each. Prints the time, the
rows per second, how many times as long the driver's own statement takes, how soon the first byte came, and
by how much the server's memory grew at most since it answered its first request, before anything was warm.
Exits with 1 where it grew by more than 32 MB, or the first byte of many rows took more than 1 % of the
whole time.

    python benchmarks/transfer.py [--rows 1000000] [--wide 400] [--database sqlite|postgresql]
                                  [--format ndjson csv]
"""

import argparse
import asyncio
import http.client
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg

from stanchion.testing import postgres

MOST_MEMORY = 32 * 1024 * 1024
MOST_WAIT = 0.01
CHUNK = 64 * 1024
WIDE = 900_000
"""Bytes of a wide row: a line may have 1 MiB."""
COLUMNS = "id, title, amount, version, created_at, updated_at"

APP = """
import os
from datetime import datetime

from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import Column
from sqlmodel import Field, SQLModel

import stanchion
from stanchion.database import BigID, UTCDateTime, now

database = stanchion.Database(os.environ["DATABASE_URL"])


class Item(SQLModel, table=True):
    __tablename__ = "items"

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    title: str
    amount: int
    version: int = 1
    created_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)
    updated_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)


class ItemCreate(BaseModel):
    title: str
    amount: int


class ItemResponse(ItemCreate):
    id: int
    created_at: datetime
    updated_at: datetime


class Resource(stanchion.Resource):
    session = database.get_session


async def lifespan(app):
    async with database.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    yield


app = FastAPI(lifespan=lifespan)
app.include_router(Resource(Item, create=ItemCreate, response=ItemResponse).router(prefix="/items"))
"""


@dataclass
class Measured:
    """One transfer: how long it took, when its first byte came, by how much the server grew."""

    seconds: float
    first: float
    growth: int


class SQLite:
    """The driver's own statements on SQLite."""

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(url.removeprefix("sqlite:///"))

    def run(self, statement: str) -> None:
        with self._connection:
            self._connection.execute(statement)

    def insert(self, rows: Iterable[tuple[Any, ...]]) -> None:
        with self._connection:
            self._connection.executemany(f"INSERT INTO items ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", rows)

    def select(self) -> int:
        cursor = self._connection.execute(f"SELECT {COLUMNS} FROM items ORDER BY id")
        return sum(len(rows) for rows in iter(lambda: cursor.fetchmany(1000), []))

    @staticmethod
    def moment() -> Any:
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class PostgreSQL:
    """The driver's own statements on PostgreSQL."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._connection = self._loop.run_until_complete(asyncpg.connect(url))

    def run(self, statement: str) -> None:
        self._loop.run_until_complete(self._connection.execute(statement))

    def insert(self, rows: Iterable[tuple[Any, ...]]) -> None:
        statement = f"INSERT INTO items ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)"
        self._loop.run_until_complete(self._connection.executemany(statement, rows))

    def select(self) -> int:
        async def count() -> int:
            async with self._connection.transaction():
                rows = self._connection.cursor(f"SELECT {COLUMNS} FROM items ORDER BY id", prefetch=1000)
                return len([None async for _ in rows])

        return self._loop.run_until_complete(count())

    @staticmethod
    def moment() -> Any:
        return datetime.now(UTC)


class Server:
    """The server, its memory, and what a client does with it."""

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "served.py").write_text(APP)
        self._port = free_port()
        command = [sys.executable, "-m", "uvicorn", "served:app", "--port", str(self._port)]
        self._process = subprocess.Popen(
            [*command, "--log-level", "error"],
            cwd=folder,
            env={**os.environ, "DATABASE_URL": url},
            stdout=subprocess.DEVNULL,
        )
        self._wait()
        self._idle = self._memory("VmRSS")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(15)

    def export(self, kind: str, file: Path) -> Measured:
        """Fetch all rows into a file."""

        def fetch(connection: http.client.HTTPConnection, begun: float) -> float:
            connection.request("GET", f"/items/export?format={kind}")
            answer = connection.getresponse()
            first = 0.0
            with file.open("wb") as out:
                while chunk := answer.read1(CHUNK):
                    first = first or time.perf_counter() - begun
                    out.write(chunk)
            if answer.status != 200:
                raise SystemExit(f"The export failed: {answer.status} {file.read_text()[:500]}")
            return first

        return self._measured(fetch)

    def import_(self, kind: str, file: Path, rows: int) -> Measured:
        """Send a file, chunked."""
        media_type = {"ndjson": "application/x-ndjson", "csv": "text/csv"}[kind]

        def chunks() -> Iterator[bytes]:
            with file.open("rb") as read:
                yield from iter(lambda: read.read(CHUNK), b"")

        def send(connection: http.client.HTTPConnection, _: float) -> float:
            connection.request("POST", "/items/import", chunks(), {"Content-Type": media_type})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 201 or json.loads(body)["imported"] != rows:
                raise SystemExit(f"The import failed: {answer.status} {body[:500]!r}")
            return 0.0

        return self._measured(send)

    def _measured(self, work: Callable[[http.client.HTTPConnection, float], float]) -> Measured:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=3600)
        # The most memory is counted from now.
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")
        begun = time.perf_counter()
        first = work(connection, begun)
        seconds = time.perf_counter() - begun
        connection.close()
        return Measured(seconds, first, self._memory("VmHWM") - self._idle)

    def _memory(self, name: str) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith(name)))

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while self._process.poll() is None and time.monotonic() < deadline:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
            try:
                connection.request("GET", "/openapi.json")
                if connection.getresponse().status == 200:
                    return
                break
            except OSError:
                time.sleep(0.1)
            finally:
                connection.close()
        self.stop()
        raise SystemExit("The server did not answer.")


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that it takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def measure(url: str, folder: Path, rows: int, formats: list[str], *, width: int = 0) -> bool:
    """Measure, print, and tell whether all is as it should be. `width` are bytes that are added to a row."""
    server = Server(folder, url)
    driver: SQLite | PostgreSQL = SQLite(url) if url.startswith("sqlite") else PostgreSQL(url)
    moment = driver.moment()

    def some(begin: int, end: int) -> list[tuple[Any, ...]]:
        numbers = range(begin + 1, end + 1)
        return [(n, f"Item {n}, of {rows}{'x' * width}", n, 1, moment, moment) for n in numbers]

    at_once = 10 if width else 1000
    try:
        driver.run("DELETE FROM items")
        inserting = 0.0
        for begin in range(0, rows, at_once):
            made = some(begin, min(rows, begin + at_once))
            inserting += timed(partial(driver.insert, made))
        selecting = timed(driver.select)
        print(f"{'driver, executemany':22} {inserting:8.2f} s {rows / inserting:10,.0f} rows/s")
        print(f"{'driver, SELECT':22} {selecting:8.2f} s {rows / selecting:10,.0f} rows/s")
        fine = []
        for kind in formats:
            found = server.export(kind, folder / kind)
            fine.append(shown(f"export, {kind}", found, rows, selecting, waits=not width))
        for kind in formats:
            driver.run("DELETE FROM items")
            found = server.import_(kind, folder / kind, rows)
            fine.append(shown(f"import, {kind}", found, rows, inserting))
        return all(fine)
    finally:
        server.stop()


def shown(name: str, found: Measured, rows: int, plain: float, *, waits: bool = True) -> bool:
    """Print a transfer, and tell whether it is as it should be."""
    share = found.first / found.seconds
    first = f"first byte after {share:.2%}" if found.first else ""
    print(
        f"{name:22} {found.seconds:8.2f} s {rows / found.seconds:10,.0f} rows/s {found.seconds / plain:6.1f} "
        f"times the driver, {found.growth / 2**20:5.1f} MB more memory {first}"
    )
    return found.growth < MOST_MEMORY and (share < MOST_WAIT or not waits)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--wide", type=int, default=400)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--format", nargs="+", choices=["ndjson", "csv"], default=["ndjson", "csv"])
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = f"sqlite:///{folder}/items.db"
        if options.database == "postgresql":
            url = stack.enter_context(postgres.server()).create_database()
        print(f"{options.rows:,} rows on {options.database}")
        fine = measure(url, folder, options.rows, options.format)
        print(f"{options.wide:,} rows of {WIDE / 1e6:.1f} MB on {options.database}")
        fine &= measure(url, folder, options.wide, options.format, width=WIDE)
        sys.exit(not fine)


if __name__ == "__main__":
    main()
