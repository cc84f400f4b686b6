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


async def test_list_filters_and_sorts(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    for title in ("Bread", "butter", "100 % milk", "Milk"):
        await create(anyone, ada, title)

    async def titles(query: str) -> list[str]:
        page = await anyone.get(f"/api/todos?{query}", headers=ada)
        assert page.status_code == 200, page.text
        return [todo["title"] for todo in page.json()]

    assert await titles("title__icontains=MILK") == ["100 % milk", "Milk"]
    assert await titles("title__contains=%25") == ["100 % milk"]
    assert await titles("title__in=Milk,Bread&sort=-created_at") == ["Milk", "Bread"]
    assert await titles("status__ne=active") == []
    assert (await titles("archived=true"), len(await titles("archived=false"))) == ([], 4)
    assert await titles("created_at__lt=2020-01-01T00:00:00Z") == []


async def test_a_cursor_stays_where_it_is(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    for number in range(4):
        await create(anyone, ada, f"todo {number}")
    first = await anyone.get("/api/todos?limit=2&sort=-created_at", headers=ada)
    assert [todo["title"] for todo in first.json()] == ["todo 3", "todo 2"]
    await create(anyone, ada, "a newer one")
    following = await anyone.get(first.links["next"]["url"], headers=ada)
    assert [todo["title"] for todo in following.json()] == ["todo 1", "todo 0"]
    back = await anyone.get(following.links["prev"]["url"], headers=ada)
    assert back.json() == first.json()
    other = await anyone.get(f"{first.links['next']['url']}&status=active", headers=ada)
    assert (other.status_code, other.json()["error"]) == (422, "invalid_cursor")


async def test_many_at_once(anyone: httpx2.AsyncClient, ada: Headers, bob: Headers) -> None:
    url = "/api/todos/bulk"
    made = await anyone.post(url, json=[{"title": "a"}, {"title": "b"}], headers=ada)
    assert made.status_code == 201
    first, second = (todo["id"] for todo in made.json())
    body = [{"id": first, "status": "completed"}, {"id": second, "title": "c"}]
    changed = await anyone.patch(url, json=body, headers=ada)
    assert [(todo["title"], todo["status"]) for todo in changed.json()] == [
        ("a", "completed"),
        ("c", "active"),
    ]
    assert (await anyone.patch(url, json=body, headers=bob)).status_code == 404
    partly = await anyone.post(f"{url}?on_error=continue", json=[{"title": "d"}, {"title": ""}], headers=ada)
    assert [one["status"] for one in partly.json()] == [201, 422]
    refused = await anyone.post(url, json=[{"title": "e"}, {"title": ""}], headers=ada)
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["body", 1, "title"])
    deleted = await anyone.request("DELETE", url, json=[first, second], headers=ada)
    assert deleted.json() == [first, second]
    assert [todo["title"] for todo in (await anyone.get("/api/todos", headers=ada)).json()] == ["d"]


async def test_a_retry_makes_no_second_one(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    key = {**ada, "Idempotency-Key": "attempt-1"}
    first = await anyone.post("/api/todos", json={"title": "Buy milk"}, headers=key)
    again = await anyone.post("/api/todos", json={"title": "Buy milk"}, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await anyone.post("/api/todos", json={"title": "Buy bread"}, headers=key)
    assert (other.status_code, other.json()["error"]) == (422, "idempotency_key_reused")
    assert len((await anyone.get("/api/todos", headers=ada)).json()) == 1


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "offset=-1",
        "status=lost",
        "colour=red",
        "count=some",
        "sort=colour",
        "cursor=x",
    ],
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
    assert "Content-Type" not in deleted.headers
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


async def test_events(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    feed = "/api/todos/events"
    # A HEAD, for a stream has no end; what it sends is seen with a real server.
    followed = await anyone.head(feed, headers=ada)
    assert (followed.status_code, followed.headers["Cache-Control"]) == (200, "no-store")
    assert followed.headers["Content-Type"].startswith("text/event-stream")
    gone = await anyone.get(feed, headers={**ada, "Last-Event-ID": "1-00000000"})
    assert (gone.status_code, gone.json()["error"]) == (410, "event_position_gone")
    issued = await anyone.post(f"{feed}/ticket", headers=ada)
    assert issued.status_code == 201
    ticket = {"ticket": issued.json()["ticket"]}
    assert (await anyone.head(feed, params=ticket)).status_code == 200
    assert (await anyone.get("/api/todos", params=ticket)).status_code == 401
