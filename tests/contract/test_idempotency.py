"""Idempotency-Key with real processes: twins on two of them at once, and a kill -9 in between."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text
from tests.serving import PATIENCE, client, free_port, uvicorn

from stanchion import Database

pytestmark = pytest.mark.slow

TWINS = 50
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
ORDER = {"item": "tea"}


@dataclass
class Shop:
    """The backend of shop.py: its database, and where its processes write."""

    database_url: str
    directory: Path

    @contextmanager
    def serving(self, **settings: str) -> Iterator[str]:
        """Start a process of it and yield its URL; stop it at the end."""
        port = free_port()
        here, log = Path(__file__).parent, self.directory / "log"
        own = {"DATABASE_URL": self.database_url} | settings
        with uvicorn("shop:app", here, port=port, log=log, **own):
            yield f"http://127.0.0.1:{port}"

    def count(self, table: str) -> int:
        async def ask() -> int:
            database = Database(self.database_url)
            try:
                async with database.read() as session:
                    return await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0
            finally:
                await database.close()

        return asyncio.run(ask())


@pytest.fixture
def shop(migrated_url: str, tmp_path: Path) -> Shop:
    return Shop(migrated_url, tmp_path)


async def send_twins(urls: list[str]) -> list[httpx2.Response]:
    limits = httpx2.Limits(max_connections=TWINS)
    async with httpx2.AsyncClient(timeout=PATIENCE, limits=limits, verify=False) as caller:
        return await asyncio.gather(
            *(
                caller.post(f"{urls[twin % len(urls)]}/orders", json=ORDER, headers=KEY)
                for twin in range(TWINS)
            )
        )


def without_date(response: httpx2.Response) -> list[tuple[str, str]]:
    return [(name, value) for name, value in response.headers.multi_items() if name != "date"]


def test_twins_on_two_processes_make_one_row_and_equal_replies(shop: Shop) -> None:
    with ExitStack() as servers:
        urls = [servers.enter_context(shop.serving()) for _ in range(2)]
        answers = asyncio.run(send_twins(urls))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert shop.count("orders") == 1


@pytest.mark.parametrize(("die", "kept"), [("before", 0), ("after", 1)])
def test_a_kill_before_the_reply(shop: Shop, die: str, kept: int) -> None:
    """Nothing where nothing was committed; else the row with its reply, which the retry gets."""
    with shop.serving(DIE=die) as url, client(url) as caller, pytest.raises(httpx2.TransportError):
        caller.post("/orders", json=ORDER, headers=KEY)
    assert (shop.count("orders"), shop.count("stanchion_replies")) == (kept, kept)

    with shop.serving() as url, client(url) as caller:
        first, again = [caller.post("/orders", json=ORDER, headers=KEY) for _ in range(2)]
    assert (first.status_code, again.status_code, first.content) == (201, 201, again.content)
    assert ("Idempotent-Replayed" in first.headers) == bool(kept)
    assert without_date(again) == without_date(first) + [("idempotent-replayed", "true")] * (not kept)
    assert shop.count("orders") == 1
