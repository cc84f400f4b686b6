"""Actions: asked for, done by a worker, followed, and nobody else's."""

import json
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from stanchion.jobs import Worker

pytestmark = pytest.mark.anyio
Headers = dict[str, str]


async def work() -> int:
    """Run the jobs that are due, as a worker would."""
    from jobs import jobs

    return await Worker(jobs).run_due()


async def followed(anyone: httpx2.AsyncClient, url: str, headers: Headers) -> list[tuple[str, Any]]:
    """Read the events of an action that is over."""
    response = await anyone.get(f"{url}/events", headers=headers)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/event-stream")
    events = [block.splitlines() for block in response.text.strip().split("\n\n")]
    return [
        (event.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for event, data in events
    ]


async def test_an_action_is_done_by_a_worker(anyone: httpx2.AsyncClient, ada: Headers, bob: Headers) -> None:
    for title in ("one", "two"):
        await anyone.post("/api/todos", json={"title": title}, headers=ada)
    await anyone.post("/api/todos", json={"title": "bob's"}, headers=bob)
    asked = await anyone.post("/api/actions", json={"name": "complete_all"}, headers=ada)
    assert (asked.status_code, asked.json()["status"], asked.json()["affected"]) == (202, "queued", None)
    url = asked.headers["Location"]
    assert (await anyone.get(url, headers=ada)).json() == asked.json()

    assert await work() == 1
    done = (await anyone.get(url, headers=ada)).json()
    assert (done["id"], done["name"], done["status"]) == (asked.json()["id"], "complete_all", "done")
    assert (done["affected"], done["done"], done["total"]) == (2, 2, 2)
    assert done["finished_at"] >= done["created_at"]
    todos = (await anyone.get("/api/todos", headers=ada)).json()
    assert [todo["status"] for todo in todos] == ["completed", "completed"]
    assert [todo["status"] for todo in (await anyone.get("/api/todos", headers=bob)).json()] == ["active"]

    await anyone.post("/api/actions", json={"name": "clear_completed"}, headers=ada)
    assert await work() == 1
    assert (await anyone.get("/api/todos", headers=ada)).json() == []


async def test_what_an_action_changes_is_told(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    from database import database

    await anyone.post("/api/todos", json={"title": "one"}, headers=ada)
    for name in ("complete_all", "clear_completed"):
        await anyone.post("/api/actions", json={"name": name}, headers=ada)
        assert await work() == 1
    async with database.read() as session:
        told = (await session.execute(text("SELECT kind, version FROM stanchion_events ORDER BY id"))).all()
    assert [tuple(one) for one in told[-3:]] == [("created", 1), ("updated", 2), ("deleted", 2)]


async def test_its_events_end_with_it(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    asked = await anyone.post("/api/actions", json={"name": "complete_all"}, headers=ada)
    url = asked.headers["Location"]
    await work()
    ((event, action),) = await followed(anyone, url, ada)
    assert (event, action) == ("done", (await anyone.get(url, headers=ada)).json())

    from database import database
    from jobs import jobs

    asked = await anyone.post("/api/actions", json={"name": "complete_all"}, headers=ada)
    async with database.transaction() as session:
        assert await jobs.cancel(session, asked.json()["id"])
    ((event, action),) = await followed(anyone, asked.headers["Location"], ada)
    assert (event, action["status"], action["affected"]) == ("failed", "cancelled", None)


async def test_an_action_is_its_callers(
    anyone: httpx2.AsyncClient, ada: Headers, bob: Headers, service: Headers
) -> None:
    for owner, others in ((ada, (bob, service)), (service, (ada,))):
        asked = await anyone.post("/api/actions", json={"name": "complete_all"}, headers=owner)
        url = asked.headers["Location"]
        assert (await anyone.get(url, headers=owner)).status_code == 200
        for other in others:
            for path in (url, f"{url}/events"):
                refused = await anyone.get(path, headers=other)
                assert (refused.status_code, refused.json()["error"]) == (404, "action_not_found")
    await work()


@pytest.mark.parametrize("body", [{"name": "explode"}, {}, {"name": "complete_all", "owner_id": 1}])
async def test_what_is_no_action(anyone: httpx2.AsyncClient, ada: Headers, body: dict[str, object]) -> None:
    assert (await anyone.post("/api/actions", json=body, headers=ada)).status_code == 422
    assert await work() == 0
