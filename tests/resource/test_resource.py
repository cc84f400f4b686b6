"""A resource over HTTP: statuses, whose rows they are, versions, hooks, and one statement for each."""

import asyncio
import uuid
from typing import Any

import pytest
from pydantic import BaseModel
from sqlmodel import Field, SQLModel
from tests.resource.conftest import Order, OrderResponse, Served

import stanchion
from stanchion import Database
from stanchion.resource.table import name_of

pytestmark = pytest.mark.anyio

ADA, BOB = {"X-User": "1"}, {"X-User": "2"}


async def order(shop: Served, who: dict[str, str] = ADA, **body: Any) -> str:
    made = await shop.caller.post("/v1/orders", json={"number": 1, **body}, headers=who)
    assert made.status_code == 201, made.text
    location: str = made.headers["Location"]
    return location


async def test_its_life_takes_a_statement_each(shop: Served) -> None:
    call = shop.caller
    made = await call.post("/v1/orders", json={"number": 7}, headers=ADA)
    assert (made.status_code, made.headers["ETag"], shop.counted()) == (201, '"1"', 1)
    url = made.headers["Location"]
    assert url == f"/v1/orders/{made.json()['id']}"
    assert made.json()["created_at"] == made.json()["updated_at"]
    read = await call.get(url, headers=ADA)
    assert (read.json(), read.headers["ETag"], shop.counted()) == (made.json(), '"1"', 1)
    unchanged = await call.get(url, headers={**ADA, "If-None-Match": '"1"'})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", '"1"')
    shop.counted()
    for number, method in enumerate(("PUT", "PATCH"), 2):
        changed = await call.request(method, url, json={"note": method}, headers=ADA)
        assert (changed.status_code, changed.headers["ETag"], shop.counted()) == (200, f'"{number}"', 1)
        assert changed.json() == {
            **made.json(),
            "note": method,
            "updated_at": changed.json()["updated_at"],
        }
        assert changed.json()["updated_at"] > made.json()["updated_at"]
    nothing = await call.patch(url, json={}, headers=ADA)
    assert (nothing.status_code, nothing.json(), nothing.headers["ETag"]) == (200, changed.json(), '"3"')
    assert shop.counted() == 1
    deleted = await call.delete(url, headers=ADA)
    assert (deleted.status_code, deleted.content, shop.counted()) == (204, b"", 1)
    for method in ("GET", "DELETE", "PATCH"):
        gone = await call.request(method, url, json={"note": ""} if method == "PATCH" else None, headers=ADA)
        assert (gone.status_code, gone.json()["error"]) == (404, "order_not_found")
        assert gone.json()["detail"] == "Order not found"


async def test_a_list_takes_one_statement_however_many_rows(shop: Served) -> None:
    for number in range(30):
        await order(shop, number=number)
    shop.counted()
    for limit in (1, 30):
        listed = await shop.caller.get(f"/v1/orders?limit={limit}&sort=-number", headers=ADA)
        assert [one["number"] for one in listed.json()] == list(range(29, 29 - limit, -1))
        assert shop.counted() == 1
    counted = await shop.caller.get("/v1/orders?count=exact&number__gte=10&limit=5", headers=ADA)
    assert (counted.headers["X-Total-Count"], shop.counted()) == ("20", 2)
    pages, url = [], "/v1/orders?limit=7&number__lt=20&sort=-number"
    while url:
        page = await shop.caller.get(url, headers=ADA)
        pages += [one["number"] for one in page.json()]
        url = page.links.get("next", {}).get("url", "")
    assert pages == list(range(19, -1, -1))


async def test_everyone_elses_is_not_there(shop: Served) -> None:
    url = await order(shop, note="Ada's")
    for who in (BOB, {}):
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            body = {"note": "mine"} if method.startswith("P") else None
            refused = await shop.caller.request(method, url, json=body, headers=who)
            assert refused.status_code == 404
            stale = await shop.caller.request(method, url, json=body, headers={**who, "If-Match": '"9"'})
            assert stale.status_code == 404  # and never 412, which would say that it is there
        assert (await shop.caller.get("/v1/orders", headers=who)).json() == []
    own = await order(shop, {}, note="nobody's")
    assert [one["note"] for one in (await shop.caller.get("/v1/orders")).json()] == ["nobody's"]
    assert (await shop.caller.get(own, headers=ADA)).status_code == 404
    assert (await shop.caller.get(url, headers=ADA)).json()["note"] == "Ada's"


async def test_a_value_that_is_taken(shop: Served) -> None:
    await shop.caller.post("/v1/customers", json={"name": "Ada"})
    other = await shop.caller.post("/v1/customers", json={"name": "Bob"})
    assert "ETag" not in other.headers
    for refused in (
        await shop.caller.post("/v1/customers", json={"name": "Ada"}),
        await shop.caller.patch(other.headers["Location"], json={"name": "Ada"}),
    ):
        assert (refused.status_code, refused.json()["error"]) == (409, "already_exists")
        message = "Another customer has this name."
        assert refused.json()["errors"] == [{"loc": ["body", "name"], "msg": message, "type": "unique"}]
    await order(shop, number=3)
    await order(shop, BOB, number=3)
    taken = await shop.caller.post("/v1/orders", json={"number": 3}, headers=ADA)
    assert taken.status_code == 409
    mine = await order(shop, number=4)
    changed = await shop.caller.patch(mine, json={"number": 3}, headers=ADA)
    message = "Another order of yours has this number."
    for refused in (taken, changed):
        assert (refused.status_code, refused.json()["detail"]) == (409, message)
        # The owner is not theirs to name.
        assert [one["loc"] for one in refused.json()["errors"]] == [["body", "number"]]


async def test_a_reference_to_nothing(shop: Served) -> None:
    customer = (await shop.caller.post("/v1/customers", json={"name": "Ada"})).headers["Location"]
    url = await order(shop, customer_id=int(customer.rpartition("/")[2]))
    for refused in (
        await shop.caller.post("/v1/orders", json={"number": 9, "customer_id": 10**9}, headers=ADA),
        await shop.caller.put(url, json={"customer_id": 10**9}, headers=ADA),
    ):
        assert (refused.status_code, refused.json()["error"]) == (422, "reference_not_found")
        assert [(one["loc"], one["type"]) for one in refused.json()["errors"]] == [
            (["body", "customer_id"], "foreign_key")
        ]
    still = await shop.caller.delete(customer)
    assert (still.status_code, still.json()["error"]) == (409, "still_referenced")
    assert (await shop.caller.delete(url, headers=ADA)).status_code == 204
    assert (await shop.caller.delete(customer)).status_code == 204


@pytest.mark.parametrize("tag", ['"2"', '"a"', 'W/"1"', '""', '"01"', '"9223372036854775808"'])
async def test_another_version_changes_nothing(shop: Served, tag: str) -> None:
    url = await order(shop)
    for method, body in (("PUT", {"note": "late"}), ("PATCH", {}), ("DELETE", None)):
        stale = await shop.caller.request(method, url, json=body, headers={**ADA, "If-Match": tag})
        assert (stale.status_code, stale.json()["error"]) == (412, "precondition_failed")
    fresh = await shop.caller.patch(url, json={"note": "first"}, headers={**ADA, "If-Match": '"7", "1"'})
    assert (fresh.status_code, fresh.headers["ETag"]) == (200, '"2"')
    deleted = await shop.caller.delete(url, headers={**ADA, "If-Match": "*"})
    assert deleted.status_code == 204


async def test_no_update_is_lost(shop: Served) -> None:
    url = await order(shop, number=0)

    async def increment() -> None:
        successes = 0
        while successes < 5:
            read = await shop.caller.get(url, headers=ADA)
            tagged = {**ADA, "If-Match": read.headers["ETag"]}
            wrote = await shop.caller.put(url, json={"number": read.json()["number"] + 1}, headers=tagged)
            assert wrote.status_code in (200, 412)
            successes += wrote.status_code == 200

    await asyncio.gather(*(increment() for _ in range(6)))
    assert (await shop.caller.get(url, headers=ADA)).json()["number"] == 30


async def test_a_match_that_is_required(shop: Served) -> None:
    url = (await order(shop)).replace("/orders/", "/strict/")
    for method, body in (("PUT", {}), ("PATCH", {"note": "a"}), ("DELETE", None)):
        refused = await shop.caller.request(method, url, json=body)
        assert (refused.status_code, refused.json()["error"]) == (428, "precondition_required")
    assert (await shop.caller.patch(url, json={"note": "a"}, headers={"If-Match": '"1"'})).status_code == 200
    assert (await shop.caller.post("/v1/strict", json={"number": 1})).status_code == 405


async def test_hooks_narrow_check_and_fill(shop: Served) -> None:
    on = {"X-Shelf": "b"}
    made = await shop.caller.post("/v1/items", json={"title": "tin"}, headers=on)
    assert (made.status_code, made.json()["shelf"]) == (201, "b")
    url = made.headers["Location"]
    assert url == f"/v1/items/{uuid.UUID(made.json()['code'])}"
    assert (await shop.caller.get(url)).status_code == 404
    assert (await shop.caller.get(url, headers=on)).json() == made.json()
    assert (await shop.caller.patch(url, json={"title": "can"})).status_code == 404
    changed = await shop.caller.patch(url, json={"title": "can"}, headers=on)
    assert (changed.status_code, changed.json()["title"]) == (200, "can")
    refused = await shop.caller.post("/v1/items", json={"title": "x"}, headers={"X-Shelf": "locked"})
    assert refused.status_code == 403
    assert (await shop.caller.get("/v1/items", headers={"X-Shelf": "locked"})).status_code == 200
    assert (await shop.caller.get("/v1/items/no-uuid")).status_code == 422


async def test_what_is_deleted_comes_back(shop: Served) -> None:
    made = await shop.caller.post("/v1/items", json={"title": "tin"})
    url = made.headers["Location"]
    assert (await shop.caller.delete(url)).status_code == 204
    assert (await shop.caller.get(url)).status_code == 404
    assert (await shop.caller.delete(url)).status_code == 404
    assert (await shop.caller.get("/v1/items")).json() == []
    assert (await shop.caller.post(f"{url}/restore", headers={"X-Shelf": "b"})).status_code == 404
    for _ in range(2):  # one that was not deleted stays as it is
        restored = await shop.caller.post(f"{url}/restore")
        assert (restored.status_code, restored.json()) == (200, made.json())
    assert (await shop.caller.get(url)).json() == made.json()
    assert (await shop.caller.post(f"/v1/items/{uuid.uuid4()}/restore")).status_code == 404


async def test_an_endpoint_by_hand(shop: Served) -> None:
    number = (await order(shop, note="by hand")).rpartition("/")[2]
    assert (await shop.caller.get(f"/by-hand/{number}/note", headers=ADA)).json() == "by hand"
    assert (await shop.caller.get(f"/by-hand/{number}/note", headers=BOB)).status_code == 404
    assert (await shop.caller.get(f"/by-hand/{number}", headers=ADA)).status_code == 405
    assert (await shop.caller.patch(f"/by-hand/{number}", json={}, headers=ADA)).status_code == 200


@pytest.mark.parametrize("order_id", ["0", "-1", "9223372036854775808", "x"])
async def test_ids(shop: Served, order_id: str) -> None:
    refused = await shop.caller.get(f"/v1/orders/{order_id}", headers=ADA)
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["path", "order_id"])


async def test_its_document(shop: Served) -> None:
    paths = shop.app.openapi()["paths"]
    one, many = paths["/v1/orders/{order_id}"], paths["/v1/orders"]
    assert {
        method: operation["operationId"].partition("_v1")[0] for method, operation in (one | many).items()
    } == {
        "get": "list_resource_orders",
        "post": "create_order",
        "put": "replace_order",
        "patch": "update_order",
        "delete": "delete_order",
    }
    assert set(many["post"]["responses"]) == {"201", "400", "409", "422", "503"}
    assert set(one["put"]["responses"]) == {"200", "400", "404", "409", "412", "422", "503"}
    assert set(one["delete"]["responses"]) == {"204", "404", "412", "422", "503"}
    assert set(one["get"]["responses"]) == {"200", "304", "404", "422", "503"}
    assert "428" in paths["/v1/strict/{strict_order_id}"]["put"]["responses"]
    assert set(paths["/v1/strict"]) == {"get"}
    assert "409" in paths["/v1/customers/{customer_id}"]["delete"]["responses"]
    assert "412" not in paths["/v1/customers/{customer_id}"]["delete"]["responses"]
    assert set(paths["/v1/items/{line_item_id}/restore"]) == {"post"}
    assert many["get"]["summary"] == "List resource orders"
    names = {parameter["name"] for parameter in many["get"]["parameters"]}
    assert {"limit", "offset", "cursor", "sort", "count", "number", "number__in", "note__icontains"} <= names


class Pair(SQLModel, table=True):
    __tablename__ = "resource_pairs"

    left: int = Field(primary_key=True)
    right: int = Field(primary_key=True)


class OddCreate(BaseModel):
    colour: str


class Anybody(stanchion.Resource[Any]):
    session = Database("sqlite:///never.db").get_session


async def nobody() -> None: ...


def declare(**given: Any) -> None:
    Anybody(given.pop("model", Order), **{"response": OrderResponse, **given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"owner": "owner_id"}, "needs a caller"),
        ({"owner": "nobody_id"}, "Order has no column 'nobody_id'"),
        (
            {"update": OrderResponse, "create": OddCreate},
            "OddCreate has a field 'colour', and Order no such column",
        ),
        ({"update": OddCreate}, "OddCreate has a field 'colour', and Order no such column"),
        ({"deleted_at": "gone"}, "Order has no column 'gone'"),
        ({"filters": ["colour"]}, "Order has no column 'colour'"),
        ({"sort": ["colour"]}, "Order has no column 'colour'"),
        ({"model": Pair}, "Pair has a primary key of several columns"),
        ({"model": Pair, "require_match": True}, "Pair has no column 'version'"),
    ],
)
def test_what_cannot_be_declared(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declare(**given)


def test_a_resource_without_a_session_and_an_operation_that_there_is_not() -> None:
    with pytest.raises(ValueError, match="needs a session"):
        stanchion.Resource(Order, response=OrderResponse)
    with pytest.raises(ValueError, match="There is no operation erase: name list, create"):
        Anybody(Order, response=OrderResponse).router(prefix="/orders", without=["erase"])


@pytest.mark.parametrize(
    ("name", "expected"), [("Todo", "todo"), ("LineItem", "line_item"), ("A4Page", "a4_page")]
)
def test_names(name: str, expected: str) -> None:
    assert name_of(type(name, (), {})) == expected
