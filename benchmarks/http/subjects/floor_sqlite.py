"""The floor on SQLite: bare ASGI and orjson; sqlite3 is called in the event loop, where nothing waits."""

import os
import sqlite3
from datetime import UTC, datetime
from typing import Any

import orjson

COLUMNS = "id, title, status, archived, created_at, updated_at"
ONE = f"SELECT {COLUMNS} FROM todos WHERE id = ?"
MANY = f"SELECT {COLUMNS} FROM todos ORDER BY id LIMIT ?"
NEW = (
    "INSERT INTO todos (title, status, archived, created_at, updated_at)"
    f" VALUES (?, ?, ?, ?, ?) RETURNING {COLUMNS}"
)

connection = sqlite3.connect(os.environ["DATABASE_URL"].removeprefix("sqlite:///"), isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("PRAGMA synchronous = FULL")


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for moment in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{moment}.complete"})
        return
    status, body = await create(receive) if scope["method"] == "POST" else read(scope)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def read(scope: Any) -> tuple[int, bytes]:
    wanted = scope["path"][len("/api/todos/") :]
    if not wanted:
        limit = int(scope["query_string"].partition(b"limit=")[2] or 20)
        return 200, orjson.dumps([shown(row) for row in connection.execute(MANY, (limit,))])
    row = connection.execute(ONE, (int(wanted),)).fetchone()
    return (200, orjson.dumps(shown(row))) if row else (404, b'{"detail":"Not found"}')


async def create(receive: Any) -> tuple[int, bytes]:
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    sent = orjson.loads(body)
    if not 1 <= len(sent["title"]) <= 200 or sent["status"] not in ("active", "completed"):
        return 422, b'{"detail":"Not valid"}'
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    values = sent["title"], sent["status"], bool(sent.get("archived")), now, now
    (row,) = connection.execute(NEW, values).fetchall()
    return 201, orjson.dumps(shown(row))


def shown(row: tuple[int, str, str, int, str, str]) -> dict[str, Any]:
    id_, title, status, archived, created_at, updated_at = row
    return {
        "id": id_,
        "title": title,
        "status": status,
        "archived": archived == 1,
        "created_at": f"{created_at.replace(' ', 'T')}Z",
        "updated_at": f"{updated_at.replace(' ', 'T')}Z",
    }
