"""Todos: each operation, its statuses, and whose they are."""

from datetime import datetime

import httpx2
import pytest

pytestmark = pytest.mark.anyio
Headers = dict[str, str]


async def create(anyone: httpx2.AsyncClient, key: Headers, title: str = "Buy milk") -> httpx2.Response:
    response = await anyone.post("/api/todos", json={"title": title}, headers=key)
    assert response.status_code == 201
    return response


async def test_create(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    response = await create(anyone, ada)
    todo = response.json()
    assert todo["title"] == "Buy milk"
    assert todo["status"] == "active"
    assert todo["created_at"] == todo["updated_at"]
    assert todo["created_at"].endswith("Z")
    assert datetime.fromisoformat(todo["created_at"]).tzinfo is not None
    assert response.headers["Location"] == f"/api/todos/{todo['id']}"
    assert response.headers["ETag"] == '"1"'
    read = await anyone.get(response.headers["Location"], headers=ada)
    assert read.status_code == 200
    assert read.json() == todo


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": ""},
        {"title": "x" * 201},
        {"title": None},
        {"title": 7},
        {"title": "a\x00b"},
        {"title": "milk", "status": "lost"},
        {"title": "milk", "owner_id": 1},
    ],
)
async def test_create_refuses(anyone: httpx2.AsyncClient, ada: Headers, body: dict[str, object]) -> None:
    response = await anyone.post("/api/todos", json=body, headers=ada)
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"][0] == "body"


async def test_list_pages(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    for number in range(5):
        await create(anyone, ada, f"todo {number}")
    titles: list[str] = []
    url = "/api/todos?limit=2&count=exact"
    while url:
        page = await anyone.get(url, headers=ada)
        assert page.status_code == 200
        assert page.headers["X-Total-Count"] == "5"
        titles += [todo["title"] for todo in page.json()]
        url = page.links.get("next", {}).get("url", "")
    assert titles == [f"todo {number}" for number in range(5)]
    assert "X-Total-Count" not in (await anyone.get("/api/todos", headers=ada)).headers


async def test_list_by_status(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    first = (await create(anyone, ada)).json()
    await create(anyone, ada)
    await anyone.patch(f"/api/todos/{first['id']}", json={"status": "completed"}, headers=ada)
    page = await anyone.get("/api/todos?status=completed", headers=ada)
    assert [todo["id"] for todo in page.json()] == [first["id"]]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "offset=-1", "status=lost", "colour=red", "count=some"]
)
async def test_list_refuses(anyone: httpx2.AsyncClient, ada: Headers, query: str) -> None:
    response = await anyone.get(f"/api/todos?{query}", headers=ada)
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["query", query.split("=")[0]]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_update_keeps_what_is_not_sent(anyone: httpx2.AsyncClient, ada: Headers, method: str) -> None:
    created = await create(anyone, ada)
    url = created.headers["Location"]
    changed = await anyone.request(method, url, json={"status": "completed"}, headers=ada)
    assert changed.status_code == 200
    assert changed.json()["title"] == "Buy milk"
    assert changed.json()["status"] == "completed"
    assert changed.json()["updated_at"] > created.json()["updated_at"]
    assert changed.headers["ETag"] != created.headers["ETag"]
    assert (await anyone.get(url, headers=ada)).json() == changed.json()
    refused = await anyone.request(method, url, json={"title": None}, headers=ada)
    assert refused.status_code == 422
    nothing = await anyone.request(method, url, json={}, headers=ada)
    assert (nothing.status_code, nothing.json()) == (200, changed.json())
    assert nothing.headers["ETag"] == changed.headers["ETag"]


async def test_versions(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    created = await create(anyone, ada)
    url, tag = created.headers["Location"], created.headers["ETag"]
    unchanged = await anyone.get(url, headers={**ada, "If-None-Match": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    first = await anyone.put(url, json={"title": "first"}, headers={**ada, "If-Match": tag})
    assert first.status_code == 200
    late = await anyone.put(url, json={"title": "late"}, headers={**ada, "If-Match": tag})
    assert late.status_code == 412
    assert late.json()["error"] == "precondition_failed"
    assert (await anyone.delete(url, headers={**ada, "If-Match": tag})).status_code == 412
    assert (await anyone.get(url, headers={**ada, "If-None-Match": tag})).json()["title"] == "first"
    assert (await anyone.get(url, headers={**ada, "If-None-Match": "nonsense"})).status_code == 422


async def test_delete(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    url = (await create(anyone, ada)).headers["Location"]
    deleted = await anyone.delete(url, headers=ada)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for method in ("GET", "DELETE"):
        assert (await anyone.request(method, url, headers=ada)).status_code == 404


async def test_everyone_elses_is_not_there(
    anyone: httpx2.AsyncClient, ada: Headers, bob: Headers, service: Headers
) -> None:
    url = (await create(anyone, ada)).headers["Location"]
    for other in (bob, service):
        for method, body in (
            ("GET", None),
            ("PUT", {"title": "mine"}),
            ("PATCH", {"title": "mine"}),
            ("DELETE", None),
        ):
            response = await anyone.request(method, url, json=body, headers=other)
            assert response.status_code == 404
            assert response.json()["error"] == "todo_not_found"
            assert response.json()["detail"] == "Todo not found"
        assert url not in [
            f"/api/todos/{todo['id']}" for todo in (await anyone.get("/api/todos", headers=other)).json()
        ]
    assert (await anyone.get(url, headers=ada)).json()["title"] == "Buy milk"


@pytest.mark.parametrize(
    ("todo_id", "status"), [(2**31, 404), (2**63 - 1, 404), (2**63, 422), (0, 422), (-1, 422), ("x", 422)]
)
async def test_ids(anyone: httpx2.AsyncClient, ada: Headers, todo_id: object, status: int) -> None:
    assert (await anyone.get(f"/api/todos/{todo_id}", headers=ada)).status_code == status


async def test_both_slashes_answer(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    response = await anyone.post("/api/todos/", json={"title": "Buy milk"}, headers=ada)
    assert response.status_code == 201
    assert (await anyone.get(response.headers["Location"] + "/", headers=ada)).status_code == 200
