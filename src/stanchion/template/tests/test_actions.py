"""Actions: asked for, done by a worker, followed, and nobody else's."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import anyio
import httpx2
import pytest
from sqlalchemy import func, text
from sqlalchemy.event import listen, remove
from sqlmodel import col, select, update

from stanchion.jobs import Worker

pytestmark = pytest.mark.anyio
Headers = dict[str, str]
GOOD = b'{"title": "one"}\n{"title": "two", "status": "completed", "archived": true}\n'
BAD = b'{"title": ""}\nno JSON\n'


async def work() -> None:
    """Run the jobs that are due, as a worker would."""
    from jobs import jobs

    await Worker(jobs).run_due()


async def act(anyone: httpx2.AsyncClient, headers: Headers, **body: object) -> Any:
    """Ask for an action, let it be done, and return what became of it."""
    asked = await anyone.post("/api/actions", json=body, headers=headers)
    assert (asked.status_code, asked.json()["status"]) == (202, "queued")
    await work()
    return (await anyone.get(asked.headers["Location"], headers=headers)).json()


async def send(anyone: httpx2.AsyncClient, headers: Headers, content: bytes, form: str = "ndjson") -> int:
    """Send a file, and return its id."""
    kind = {**headers, "Content-Type": "application/octet-stream"}
    sent = await anyone.post("/api/files", params={"format": form}, content=content, headers=kind)
    assert (sent.status_code, sent.json()["size"]) == (201, len(content))
    assert sent.headers["Location"] == f"/api/files/{sent.json()['id']}"
    file_id: int = sent.json()["id"]
    return file_id


async def todos_of(anyone: httpx2.AsyncClient, headers: Headers, **query: str) -> list[tuple[str, str, bool]]:
    listed = (await anyone.get("/api/todos", params=query, headers=headers)).json()
    return [(todo["title"], todo["status"], todo["archived"]) for todo in listed]


async def followed(anyone: httpx2.AsyncClient, url: str, headers: Headers) -> list[tuple[str, Any]]:
    """Read the events of an action that is over."""
    response = await anyone.get(f"{url}/events", headers=headers)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/event-stream")
    events = [block.splitlines() for block in response.text.strip().split("\n\n")]
    return [
        (event.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for event, data in events
    ]


async def test_completed_todos_are_archived(
    anyone: httpx2.AsyncClient, ada: Headers, bob: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.AT_ONCE", 2)
    done = [{"title": title, "status": "completed"} for title in ("one", "two", "three")]
    await anyone.post("/api/todos/bulk", json=[*done, {"title": "four"}], headers=ada)
    await anyone.post("/api/todos", json=done[0], headers=bob)
    action = await act(anyone, ada, name="archive_completed")
    assert (action["name"], action["status"], action["error"]) == ("archive_completed", "done", None)
    assert (action["affected"], action["done"], action["total"]) == (3, 3, 3)
    assert (action["unit"], action["message"]) == ("todos", None)
    assert action["finished_at"] >= action["created_at"]
    assert await todos_of(anyone, ada, archived="false") == [("four", "active", False)]
    assert [title for title, *_ in await todos_of(anyone, ada, archived="true")] == ["one", "two", "three"]
    assert await todos_of(anyone, bob) == [("one", "completed", False)]

    (first, *_) = (await anyone.get("/api/todos", headers=ada)).json()
    url = f"/api/todos/{first['id']}"
    assert (await anyone.patch(url, json={"archived": False}, headers=ada)).json()["archived"] is False
    assert (await act(anyone, ada, name="archive_completed"))["affected"] == 1


async def test_what_an_action_changes_is_told(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    from database import database

    await anyone.post("/api/todos", json={"title": "one", "status": "completed"}, headers=ada)
    await act(anyone, ada, name="archive_completed")
    await act(anyone, ada, name="import_file", file_id=await send(anyone, ada, b'{"title": "two"}'))
    async with database.read() as session:
        told = (await session.execute(text("SELECT kind, version FROM stanchion_events ORDER BY id"))).all()
    assert [tuple(one) for one in told[-3:]] == [("created", 1), ("updated", 2), ("created", 1)]


async def test_a_file_is_imported(anyone: httpx2.AsyncClient, ada: Headers, bob: Headers) -> None:
    file_id = await send(anyone, ada, GOOD)
    action = await act(anyone, ada, name="import_file", file_id=file_id)
    assert (action["status"], action["affected"]) == ("done", 2)
    assert (action["done"], action["total"], action["unit"]) == (len(GOOD), len(GOOD), "bytes")
    assert action["message"] is None
    assert await todos_of(anyone, ada) == [("one", "active", False), ("two", "completed", True)]
    table = await send(anyone, ada, b"title\r\nthree\r\n", "csv")
    assert (await act(anyone, ada, name="import_file", file_id=table))["affected"] == 1
    assert len(await todos_of(anyone, ada)) == 3
    assert await todos_of(anyone, bob) == []


async def test_of_a_file_with_bad_lines_nothing_is_imported(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    file_id = await send(anyone, ada, GOOD + BAD)
    asked = await anyone.post("/api/actions", json={"name": "import_file", "file_id": file_id}, headers=ada)
    await work()
    ((event, action),) = await followed(anyone, asked.headers["Location"], ada)
    assert (event, action["status"], action["affected"]) == ("failed", "failed", None)
    assert action["error"] == "Nothing was imported: 2 lines are bad."
    assert action["total"] == len(GOOD) + len(BAD)
    assert (action["message"], action["done"]) == ("Checking", action["total"] // 2)  # and nothing written
    assert [error["loc"][:3] for error in action["errors"]] == [["body", 3, "title"], ["body", 4]]
    assert await todos_of(anyone, ada) == []


async def test_a_file_that_is_gone_before_its_action(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    from database import database
    from files import find_file, read_parts
    from jobs import delete_old_files, jobs
    from models import File
    from stanchion.database import now
    from stanchion.security import Caller

    file_id = await send(anyone, ada, GOOD)
    me = (await anyone.get("/api/users/me", headers=ada)).json()["id"]
    async with database.read() as session:
        file = await find_file(session, file_id, Caller(None, me))
    assert file is not None
    body = {"name": "import_file", "file_id": file_id}
    asked = await anyone.post("/api/actions", json=body, headers=ada)
    async with database.transaction() as session:
        old = now() - timedelta(days=8)
        await session.execute(update(File).where(col(File.id) == file_id).values(created_at=old))
        await jobs.enqueue(session, delete_old_files.options(priority=1))
    await work()
    assert (await anyone.get(f"/api/files/{file_id}", headers=ada)).status_code == 404
    failed = (await anyone.get(asked.headers["Location"], headers=ada)).json()
    assert (failed["status"], failed["error"]) == ("failed", "There is no such file, or no longer.")
    assert (await anyone.post("/api/actions", json=body, headers=ada)).status_code == 422
    with pytest.raises(LookupError, match="deleted while it was read"):
        [part async for part in read_parts(file)]


@pytest.mark.parametrize("form", ["ndjson", "csv"])
async def test_an_export_is_built(
    anyone: httpx2.AsyncClient, ada: Headers, bob: Headers, service: Headers, form: str
) -> None:
    await anyone.post("/api/todos/bulk", json=[{"title": f"todo {i}"} for i in range(30)], headers=ada)
    await anyone.post("/api/todos", json={"title": "bob's"}, headers=bob)
    action = await act(anyone, ada, name="build_export", format=form)
    assert (action["status"], action["affected"]) == ("done", 30)
    assert (action["done"], action["total"], action["unit"]) == (30, 30, "todos")
    url = f"/api/files/{action['file_id']}"
    file = await anyone.get(url, headers=ada)
    assert file.status_code == 200
    assert file.headers["Content-Disposition"] == f'attachment; filename="todos.{form}"'
    # The same as at once, and what an import takes back.
    at_once = await anyone.get("/api/todos/export", params={"format": form}, headers=ada)
    assert (file.content, file.headers["Content-Type"]) == (at_once.content, at_once.headers["Content-Type"])
    for other in (bob, service):
        refused = await anyone.get(url, headers=other)
        assert (refused.status_code, refused.json()["error"]) == (404, "file_not_found")
        body = {"name": "import_file", "file_id": action["file_id"]}
        refused = await anyone.post("/api/actions", json=body, headers=other)
        assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["body", "file_id"])
    again = await act(anyone, ada, name="import_file", file_id=action["file_id"])
    assert (again["affected"], len(await todos_of(anyone, ada, limit="100"))) == (30, 60)


async def test_an_export_that_would_be_too_much_leaves_no_file(
    anyone: httpx2.AsyncClient, ada: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from settings import settings

    monkeypatch.setattr(settings, "MAX_STORED_BYTES", 100)
    await anyone.post("/api/todos/bulk", json=[{"title": f"todo {i}"} for i in range(9)], headers=ada)
    before = await kept("files"), await kept("file_parts")
    action = await act(anyone, ada, name="build_export")
    assert (action["status"], action["file_id"]) == ("failed", None)
    assert action["error"].startswith("Your files hold 0 of 100 bytes; ")
    assert (action["message"], action["done"], action["total"]) == ("Writing", 0, 9)
    assert (await kept("files"), await kept("file_parts")) == before


async def test_an_export_of_nothing(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    action = await act(anyone, ada, name="build_export")
    assert (action["status"], action["done"], action["total"]) == ("done", 0, 0)


async def test_an_import_that_cannot_be_written(
    anyone: httpx2.AsyncClient, ada: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from routers.todos import todos
    from stanchion.errors import ConflictError

    async def refused(session: Any, chunks: AsyncIterator[bytes], **_: Any) -> int:
        assert b"".join([chunk async for chunk in chunks]) == GOOD
        await session()
        raise ConflictError("There is one of this title.")

    monkeypatch.setattr(todos, "import_rows", refused)
    action = await act(anyone, ada, name="import_file", file_id=await send(anyone, ada, GOOD))
    assert (action["status"], action["error"]) == ("failed", "There is one of this title.")
    assert (action["message"], action["done"]) == ("Writing", len(GOOD) // 2)


async def test_what_is_sent_while_an_export_is_built_counts_as_well(
    anyone: httpx2.AsyncClient, ada: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from routers.todos import todos
    from settings import settings

    monkeypatch.setattr(settings, "MAX_STORED_BYTES", 2000)
    await anyone.post("/api/todos/bulk", json=[{"title": f"todo {i}"} for i in range(9)], headers=ada)
    pieces = todos.export_rows

    async def slow(*args: Any, **options: Any) -> AsyncIterator[Any]:
        async for piece in pieces(*args, **options):
            yield piece
        await send(anyone, ada, b"x" * 2000)

    monkeypatch.setattr(todos, "export_rows", slow)
    before = await kept("files"), await kept("file_parts")
    action = await act(anyone, ada, name="build_export")
    assert (action["status"], action["file_id"]) == ("failed", None)
    assert action["error"].startswith("Your files hold 2000 of 2000 bytes; ")
    assert (await kept("files"), await kept("file_parts")) == (before[0] + 1, before[1] + 1)


async def kept(table: str) -> int:
    """Count the rows of a table that no test empties."""
    from database import database

    async with database.read() as session:
        return int(await session.scalar(select(func.count()).select_from(text(table))) or 0)


async def test_an_export_that_breaks_off_leaves_no_file(
    anyone: httpx2.AsyncClient, ada: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from database import database
    from jobs import jobs
    from routers.todos import todos

    pieces = todos.export_rows

    async def broken(*args: Any, **options: Any) -> AsyncIterator[Any]:
        async for piece in pieces(*args, **options):
            yield piece
            seen.append(await kept("file_parts"))
            raise OSError("a secret of the server's")

    monkeypatch.setattr(todos, "export_rows", broken)
    before, seen = (await kept("files"), await kept("file_parts")), list[int]()
    asked = await anyone.post("/api/actions", json={"name": "build_export"}, headers=ada)
    await work()
    waiting = (await anyone.get(asked.headers["Location"], headers=ada)).json()
    assert (waiting["status"], waiting["error"], waiting["file_id"]) == ("queued", None, None)
    assert seen == [before[1] + 1]
    assert (await kept("files"), await kept("file_parts")) == before
    async with database.transaction() as session:
        assert await jobs.cancel(session, asked.json()["id"])
    ((event, action),) = await followed(anyone, asked.headers["Location"], ada)
    assert (event, action["status"], action["error"]) == ("failed", "cancelled", None)


async def test_an_export_that_is_cancelled_leaves_no_file(
    anyone: httpx2.AsyncClient, ada: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from database import database
    from jobs import jobs
    from routers.todos import todos

    pieces, is_written = todos.export_rows, anyio.Event()

    async def endless(*args: Any, **options: Any) -> AsyncIterator[Any]:
        async for piece in pieces(*args, **options):
            yield piece
        is_written.set()
        await anyio.sleep_forever()

    monkeypatch.setattr(todos, "export_rows", endless)
    before = await kept("files"), await kept("file_parts")
    asked = await anyone.post("/api/actions", json={"name": "build_export"}, headers=ada)
    async with Worker(jobs).running():
        with anyio.fail_after(20):
            await is_written.wait()
        assert await kept("file_parts") == before[1] + 1
        async with database.transaction() as session:
            assert await jobs.cancel(session, asked.json()["id"])
        event, action = (await followed(anyone, asked.headers["Location"], ada))[-1]
    assert (event, action["status"]) == ("failed", "cancelled")
    assert (await kept("files"), await kept("file_parts")) == before


async def test_old_files_are_deleted_some_at_a_time(
    anyone: httpx2.AsyncClient, ada: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from database import database
    from jobs import delete_old_files, jobs
    from models import File, FilePart
    from stanchion.database import now

    monkeypatch.setattr("jobs.AT_ONCE", 2)
    monkeypatch.setattr("files.PARTS_AT_ONCE", 2)
    before = await kept("files"), await kept("file_parts")
    new = await send(anyone, ada, GOOD)
    async with database.transaction() as session:
        session.add_all(old := [File(created_at=now() - timedelta(days=8), size=5) for _ in range(5)])
        await session.flush()
        session.add_all(FilePart(file_id=file.id, number=i, content=b"a") for file in old for i in range(5))
        job_id = await jobs.enqueue(session, delete_old_files)
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    listen(database.engine.sync_engine, "before_cursor_execute", note)
    await work()
    remove(database.engine.sync_engine, "before_cursor_execute", note)
    deleted = [one for one in statements if one.startswith("DELETE FROM file_parts")]
    assert len(deleted) == 5 * 4  # of each file two parts, two, one and none
    async with database.read() as session:
        job = await jobs.get(session, job_id)
    assert job is not None
    assert (job.status, job.result) == ("done", 5)
    assert (await kept("files"), await kept("file_parts")) == (before[0] + 1, before[1] + 1)
    assert (await anyone.get(f"/api/files/{new}", headers=ada)).content == GOOD


async def test_its_events_end_with_it(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    asked = await anyone.post("/api/actions", json={"name": "archive_completed"}, headers=ada)
    url = asked.headers["Location"]
    assert (await anyone.get(url, headers=ada)).json() == asked.json()
    await work()
    ((event, action),) = await followed(anyone, url, ada)
    assert (event, action) == ("done", (await anyone.get(url, headers=ada)).json())


async def test_an_action_is_its_callers(
    anyone: httpx2.AsyncClient, ada: Headers, bob: Headers, service: Headers
) -> None:
    for owner, others in ((ada, (bob, service)), (service, (ada,))):
        asked = await anyone.post("/api/actions", json={"name": "archive_completed"}, headers=owner)
        url = asked.headers["Location"]
        assert (await anyone.get(url, headers=owner)).status_code == 200
        for other in others:
            for path in (url, f"{url}/events"):
                refused = await anyone.get(path, headers=other)
                assert (refused.status_code, refused.json()["error"]) == (404, "action_not_found")


async def test_asked_for_twice_with_one_key_it_is_one(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    once = {**ada, "Idempotency-Key": "export-of-today"}
    first, second = [
        await anyone.post("/api/actions", json={"name": "build_export"}, headers=once) for _ in range(2)
    ]
    assert first.json() == second.json()
    assert second.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"name": "explode"}, "name"),
        ({"name": "delete_old_files"}, "name"),
        ({}, "name"),
        ({"name": "archive_completed", "owner_id": 1}, "owner_id"),
        ({"name": "import_file"}, "file_id"),
        ({"name": "build_export", "format": "xlsx"}, "format"),
    ],
)
async def test_what_is_no_action(
    anyone: httpx2.AsyncClient, ada: Headers, body: dict[str, object], wrong: str
) -> None:
    refused = await anyone.post("/api/actions", json=body, headers=ada)
    assert (refused.status_code, refused.json()["errors"][0]["loc"][-1]) == (422, wrong)
