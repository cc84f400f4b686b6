"""A server is killed in the middle of a request, and the request is sent again: what is there afterwards?

python -m demos.survive [URL OF AN EMPTY DATABASE]
"""

import asyncio
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import text

from demos.serving import PATIENCE, DemoError, Server, post, serving
from stanchion import Database
from stanchion.database import migrations

SHOP = Path(__file__).parent / "shop"
TABLES = {
    "row": "orders",
    "event": "stanchion_events",
    "job": "stanchion_jobs",
    "stored reply": "stanchion_replies",
    "what the job wrote": "receipts",
}
NOTHING = dict.fromkeys(TABLES, 0)
ONCE = dict.fromkeys(TABLES, 1)


def counts(url: str) -> dict[str, int]:
    """Return how many rows each table has. Another process may be writing."""

    async def count() -> dict[str, int]:
        database = Database(url)
        try:
            async with database.read() as session:
                return {
                    name: await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0
                    for name, table in TABLES.items()
                }
        finally:
            await database.close()

    return asyncio.run(count())


class Story:
    """One request, at whose `moment` the server is killed."""

    def __init__(self, url: str, folder: Path, moment: str) -> None:
        self._url, self._folder, self._moment = url, folder, moment
        self._headers = {"Idempotency-Key": f"killed {moment}".replace(" ", "-")}
        with serving(SHOP, folder, DATABASE_URL=url):
            self._before = counts(url)  # the tables are there

    def kill(self, expected: dict[str, int]) -> None:
        """Send the request, kill the server at the moment, and look. Raises DemoError if it is otherwise."""
        answers: list[Any] = []
        with serving(SHOP, self._folder, DATABASE_URL=self._url, PAUSE=self._moment) as server:
            client = threading.Thread(target=self._send_and_note, args=(server, answers))
            client.start()
            server.line(f"PAUSE {self._moment}")
            server.kill()
            client.join()
        print(f"POST /orders; kill -9 {self._moment}. The client has heard: {answers or 'nothing'}")
        if answers:
            raise DemoError("the client had an answer")
        self._look(expected)

    def retry(self) -> None:
        """Start the server again, send the request twice, and look. Raises DemoError if it is otherwise."""
        with serving(SHOP, self._folder, DATABASE_URL=self._url) as server:
            (status, body, _), (again, same, headers) = self._send(server), self._send(server)
            print(f"Started again; the same request is sent twice: {status} {body}, {again} {same}")
            replayed = {name.lower(): value for name, value in headers.items()}.get("idempotent-replayed")
            if (status, again, same, replayed) != (201, 201, body, "true"):
                raise DemoError(f"the second reply is another one: {again} {same} {headers}")
            deadline = time.monotonic() + PATIENCE
            while self._new() != ONCE and time.monotonic() < deadline:
                time.sleep(0.1)
        self._look(ONCE)

    def _send(self, server: Server) -> tuple[int, Any, dict[str, str]]:
        return post(f"{server.url}/orders?item=tea", None, **self._headers)

    def _send_and_note(self, server: Server, answers: list[Any]) -> None:
        try:
            answers.append(self._send(server))
        except OSError:
            return  # the connection was cut: no answer

    def _new(self) -> dict[str, int]:
        return {name: number - self._before[name] for name, number in counts(self._url).items()}

    def _look(self, expected: dict[str, int]) -> None:
        found = self._new()
        print("    " + ", ".join(f"{name}: {number}" for name, number in found.items()))
        if found != expected:
            raise DemoError(f"there should be {expected}")


def main(url: str, folder: Path) -> None:
    """Tell the story, for a kill before the commit and for one after it."""
    url = url or f"sqlite:///{folder}/shop.db"
    migrations.upgrade(url, folder)
    print("POST /orders writes a row, tells of it on the feed, puts in a job, and stores its reply.\n")
    before = Story(url, folder, "before the commit")
    before.kill(NOTHING)
    before.retry()
    print()
    after = Story(url, folder, "after the commit")
    after.kill(ONCE | {"what the job wrote": 0})
    after.retry()
    print("\nAll of it or nothing, and never twice: one row, one event, one job, one reply for each request.")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        try:
            main(sys.argv[1] if len(sys.argv) > 1 else "", Path(temporary))
        except DemoError as exc:
            sys.exit(f"It is not so: {exc}.")
