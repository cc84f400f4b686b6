"""Commit before response: who has the answer can rely on it, from any other connection."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest
from tests.backend import Backend

Read = Callable[[int], str | None]


@contextmanager
def second_connection(backend: Backend) -> Iterator[Read]:
    """Open a connection of the driver's own, and read a todo's title on it."""
    if backend.database_url.startswith("sqlite"):
        connection = sqlite3.connect(backend.database_url.removeprefix("sqlite:///"))

        def read(todo_id: int) -> str | None:
            row = connection.execute("SELECT title FROM todos WHERE id = ?", (todo_id,)).fetchone()
            return row[0] if row else None

        yield read
        connection.close()
        return
    with asyncio.Runner() as runner:
        other: Any = runner.run(asyncpg.connect(backend.database_url))
        yield lambda todo_id: runner.run(other.fetchval("SELECT title FROM todos WHERE id = $1", todo_id))
        runner.run(other.close())


@pytest.mark.slow
def test_every_write_is_there_when_it_is_answered(backend: Backend) -> None:
    seen = 0
    with second_connection(backend) as read, backend.client(headers=backend.headers) as caller:
        for number in range(334):
            created = caller.post("/api/todos", json={"title": f"created {number}"})
            todo_id = created.json()["id"]
            seen += created.status_code == 201 and read(todo_id) == f"created {number}"
            changed = caller.put(f"/api/todos/{todo_id}", json={"title": f"changed {number}"})
            seen += changed.status_code == 200 and read(todo_id) == f"changed {number}"
            if number < 332:
                deleted = caller.delete(f"/api/todos/{todo_id}")
                seen += deleted.status_code == 204 and read(todo_id) is None
    assert seen == 1000
