"""The floor: bare ASGI, asyncpg and orjson. It routes by hand and checks next to nothing."""

import os
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson

COLUMNS = "id, title, status, archived, created_at, updated_at"
ONE = f"SELECT {COLUMNS} FROM todos WHERE id = $1"
MANY = f"SELECT {COLUMNS} FROM todos ORDER BY id LIMIT $1"
NEW = (
    "INSERT INTO todos (title, status, archived, created_at, updated_at)"
    f" VALUES ($1, $2, $3, $4, $4) RETURNING {COLUMNS}"
)

pool: Any = None


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    status, body = await (create(receive) if scope["method"] == "POST" else read(scope))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def read(scope: Any) -> tuple[int, bytes]:
    wanted = scope["path"][len("/api/todos/") :]
    if not wanted:
        limit = int(scope["query_string"].partition(b"limit=")[2] or 20)
        return 200, orjson.dumps([dict(row) for row in await pool.fetch(MANY, limit)])
    row = await pool.fetchrow(ONE, int(wanted))
    return (200, orjson.dumps(dict(row))) if row else (404, b'{"detail":"Not found"}')


async def create(receive: Any) -> tuple[int, bytes]:
    message = await receive()
    body = message["body"]
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    sent = orjson.loads(body)
    if not 1 <= len(sent["title"]) <= 200 or sent["status"] not in ("active", "completed"):
        return 422, b'{"detail":"Not valid"}'
    archived = bool(sent.get("archived"))
    row = await pool.fetchrow(NEW, sent["title"], sent["status"], archived, datetime.now(UTC))
    return 201, orjson.dumps(dict(row))


async def lifespan(receive: Any, send: Any) -> None:
    global pool
    await receive()
    size = int(os.environ["POOL_SIZE"])
    pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=size, max_size=size)
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await pool.close()
    await send({"type": "lifespan.shutdown.complete"})
