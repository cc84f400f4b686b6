"""Many rows in one request: all or nothing, or a result for each; in a few statements."""

import uuid
from typing import Any

import pytest
from tests.resource.conftest import Served

pytestmark = pytest.mark.anyio

ADA, BOB = {"X-User": "1"}, {"X-User": "2"}


async def make(shop: Served, count: int, who: dict[str, str] = ADA, start: int = 0) -> list[int]:
    body = [{"number": number} for number in range(start, start + count)]
    made = await shop.caller.post("/v1/orders/bulk", json=body, headers=who)
    assert made.status_code == 201, made.text
    assert [one["number"] for one in made.json()] == list(range(start, start + count))
    return [one["id"] for one in made.json()]


async def numbers(shop: Served, who: dict[str, str] = ADA) -> list[int]:
    listed = await shop.caller.get("/v1/orders?limit=200&sort=number", headers=who)
    return [one["number"] for one in listed.json()]


async def ask(shop: Served, method: str, body: Any, query: str = "", who: dict[str, str] = ADA) -> Any:
    return await shop.caller.request(method, f"/v1/orders/bulk{query}", json=body, headers=who)


async def test_the_statements_do_not_grow_with_the_rows(shop: Served) -> None:
    counts = []
    for count in (3, 150):
        shop.counted()
        ids = await make(shop, count)
        created = shop.counted()
        changed = await ask(shop, "PATCH", [{"id": one, "note": f"n{one}"} for one in ids])
        assert [(one["id"], one["note"]) for one in changed.json()] == [(one, f"n{one}") for one in ids]
        updated = shop.counted()
        read = await shop.caller.get(f"/v1/orders/{ids[0]}", headers=ADA)
        assert read.headers["ETag"] == '"2"'
        assert read.json()["updated_at"] > read.json()["created_at"]
        shop.counted()
        deleted = await ask(shop, "DELETE", ids)
        assert (deleted.status_code, deleted.json()) == (200, ids)
        counts.append((created, updated, shop.counted()))
        assert await numbers(shop) == []
    # Each with a savepoint, which is taken and released.
    assert counts[0] == counts[1] == (3, 5, 3)


async def test_one_that_is_bad_stops_all(shop: Served) -> None:
    refused = await ask(
        shop, "POST", [{"number": 1}, {"number": "x"}, {"note": "y"}, {"number": 2, "odd": 1}]
    )
    assert (refused.status_code, refused.json()["error"]) == (422, "validation_failed")
    assert [one["loc"] for one in refused.json()["errors"]] == [
        ["body", 1, "number"],
        ["body", 2, "number"],
        ["body", 3, "odd"],
    ]
    taken = await ask(shop, "POST", [{"number": 1}, {"number": 2}, {"number": 1}, {"number": 2}])
    assert (taken.status_code, taken.json()["error"]) == (409, "already_exists")
    assert taken.json()["detail"].startswith("Nothing was done: 2 items are bad. ")
    assert [one["loc"] for one in taken.json()["errors"]] == [["body", 2, "number"], ["body", 3, "number"]]
    unknown = await ask(shop, "POST", [{"number": 3}, {"number": 4, "customer_id": 10**9}])
    assert unknown.status_code == 422
    assert [one["loc"] for one in unknown.json()["errors"]] == [["body", 1, "customer_id"]]
    assert await numbers(shop) == []


async def test_those_that_can_be(shop: Served) -> None:
    body = [{"number": 1}, {"number": "x"}, {"number": 1}, {"number": 2}, {"number": 3, "customer_id": 10**9}]
    done = await ask(shop, "POST", body, "?on_error=continue")
    assert done.status_code == 200
    assert [(one["status"], one["error"], one["item"] and one["item"]["number"]) for one in done.json()] == [
        (201, None, 1),
        (422, "validation_failed", None),
        (409, "already_exists", None),
        (201, None, 2),
        (422, "reference_not_found", None),
    ]
    assert [one["errors"] and one["errors"][0]["loc"] for one in done.json()] == [
        [],
        ["body", 1, "number"],
        ["body", 2, "number"],
        [],
        ["body", 4, "customer_id"],
    ]
    assert await numbers(shop) == [1, 2]
    assert (await ask(shop, "POST", [{"number": "x"}], "?on_error=continue")).json()[0]["status"] == 422


async def test_changes_of_rows_that_are_not_there(shop: Served) -> None:
    first, second = await make(shop, 2)
    (other,) = await make(shop, 1, BOB)
    body = [{"id": first, "note": "a"}, {"id": other, "note": "b"}, {"id": 10**9, "note": "c"}]
    refused = await ask(shop, "PATCH", body)
    assert (refused.status_code, refused.json()["error"]) == (404, "order_not_found")
    assert [one["loc"] for one in refused.json()["errors"]] == [["body", 1], ["body", 2]]
    done = await ask(shop, "PATCH", body, "?on_error=continue")
    assert [one["status"] for one in done.json()] == [200, 404, 404]
    assert done.json()[0]["item"]["note"] == "a"
    taken = await ask(shop, "PATCH", [{"id": first, "note": "z"}, {"id": second, "number": 0}])
    assert taken.status_code == 409
    assert [one["loc"] for one in taken.json()["errors"]] == [["body", 1, "number"]]
    assert (await shop.caller.get(f"/v1/orders/{first}", headers=ADA)).json()["note"] == "a"
    swapped = await ask(shop, "PATCH", [{"id": first, "number": 7}, {"id": second, "note": "only"}])
    assert [(one["number"], one["note"]) for one in swapped.json()] == [(7, "a"), (1, "only")]
    assert (await ask(shop, "PATCH", [{"id": first}])).json()[0]["number"] == 7
    assert (await ask(shop, "PATCH", [{"number": 1}])).json()["errors"][0]["loc"] == ["body", 0, "id"]


async def test_deletions_of_rows_that_are_not_there(shop: Served) -> None:
    ids = await make(shop, 3)
    (other,) = await make(shop, 1, BOB)
    refused = await ask(shop, "DELETE", [ids[0], other])
    assert (refused.status_code, [one["loc"] for one in refused.json()["errors"]]) == (404, [["body", 1]])
    assert await numbers(shop) == [0, 1, 2]
    done = await ask(shop, "DELETE", [ids[0], other, "x"], "?on_error=continue")
    assert [one["status"] for one in done.json()] == [204, 404, 422]
    assert await numbers(shop) == [1, 2]
    assert await numbers(shop, BOB) == [0]


async def test_rows_that_others_refer_to(shop: Served) -> None:
    made = await shop.caller.post("/v1/customers/bulk", json=[{"name": "Ada"}, {"name": "Bob"}])
    ids = [one["id"] for one in made.json()]
    await shop.caller.post("/v1/orders", json={"number": 1, "customer_id": ids[1]}, headers=ADA)
    refused = await shop.caller.request("DELETE", "/v1/customers/bulk", json=ids)
    assert (refused.status_code, refused.json()["error"]) == (409, "still_referenced")
    assert [one["loc"] for one in refused.json()["errors"]] == [["body", 1]]
    assert len((await shop.caller.get("/v1/customers")).json()) == 2


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
async def test_too_many_and_too_few(shop: Served, method: str) -> None:
    item: Any = {"POST": {"number": 1}, "PATCH": {"id": 1}, "DELETE": 1}[method]
    many = await ask(shop, method, [item] * 1001)
    assert (many.status_code, many.json()["error"]) == (413, "content_too_large")
    wrong: list[Any] = [[], {}, None, "x"]
    for body in wrong:
        assert (await ask(shop, method, body)).status_code == 422
    assert (await ask(shop, method, [item], "?on_error=maybe")).status_code == 422


async def test_a_thousand(shop: Served) -> None:
    assert len(await make(shop, 1000)) == 1000


async def test_what_is_marked_as_deleted_and_what_a_hook_fills(shop: Served) -> None:
    on = {"X-Shelf": "b"}
    made = await shop.caller.post("/v1/items/bulk", json=[{"title": "a"}, {"title": "b"}], headers=on)
    assert [one["shelf"] for one in made.json()] == ["b", "b"]
    codes = [one["code"] for one in made.json()]
    gone = await shop.caller.request("DELETE", "/v1/items/bulk", json=[*codes, str(uuid.uuid4())], headers=on)
    assert (gone.status_code, [one["loc"] for one in gone.json()["errors"]]) == (404, [["body", 2]])
    deleted = await shop.caller.request("DELETE", "/v1/items/bulk", json=codes, headers=on)
    assert deleted.json() == codes
    assert (await shop.caller.get("/v1/items", headers=on)).json() == []
    assert (await shop.caller.post(f"/v1/items/{codes[0]}/restore", headers=on)).status_code == 200


async def test_its_document(shop: Served) -> None:
    paths = shop.app.openapi()["paths"]
    assert set(paths["/v1/orders/bulk"]) == {"post", "patch", "delete"}
    assert "/v1/strict/bulk" not in paths  # of many nothing can be matched
    post = paths["/v1/orders/bulk"]["post"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    assert (schema["minItems"], schema["maxItems"]) == (1, 1000)
    assert schema["items"] == {"$ref": "#/components/schemas/OrderCreate"}
    assert set(post["responses"]) == {"200", "201", "400", "409", "413", "422", "503"}
    assert "404" in paths["/v1/orders/bulk"]["patch"]["responses"]


async def test_an_id_is_any_number_that_is_whole(shop: Served) -> None:
    (made,) = await make(shop, 1)
    changed = await ask(shop, "PATCH", [{"id": float(made), "note": "whole"}])
    assert [one["note"] for one in changed.json()] == ["whole"]
    for other in (0, -1.0, made + 0.5, str(made), True, None):
        assert (await ask(shop, "PATCH", [{"id": other, "note": "not"}])).status_code == 422
