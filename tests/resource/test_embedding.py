"""Relations that come along: in one or two statements, however many rows there are."""

import pytest
from tests.resource.conftest import Customer, CustomerResponse, Served

import stanchion

pytestmark = pytest.mark.anyio

ADA = {"X-User": "1"}


@pytest.fixture
async def customer(shop: Served) -> str:
    """Two customers, the first with three orders, and an order of nobody's; the path of the first."""
    made = [await shop.caller.post("/v1/customers", json={"name": name}) for name in ("Ada", "Bob")]
    for number in range(4):
        body = {"number": number, "customer_id": made[0].json()["id"] if number else None}
        assert (await shop.caller.post("/v1/orders", json=body, headers=ADA)).status_code == 201
    shop.counted()
    location: str = made[0].headers["Location"]
    return location


async def test_one_comes_along_without_a_statement_more(shop: Served, customer: str) -> None:
    plain = await shop.caller.get("/v1/orders?sort=number", headers=ADA)
    assert all("customer" not in one for one in plain.json())
    shop.counted()
    listed = await shop.caller.get("/v1/orders?sort=number&embed=customer", headers=ADA)
    ada = {"id": int(customer.rpartition("/")[2]), "name": "Ada"}
    assert [one["customer"] for one in listed.json()] == [None, ada, ada, ada]
    assert [{**one, "customer": None} for one in listed.json()] == [
        {**one, "customer": None} for one in plain.json()
    ]
    assert shop.counted() == 1
    pages, url = [], "/v1/orders?sort=number&embed=customer&limit=3"
    while url:
        page = await shop.caller.get(url, headers=ADA)
        pages.append([one["customer"] and one["customer"]["name"] for one in page.json()])
        url = page.links.get("next", {}).get("url", "")
    assert pages == [[None, "Ada", "Ada"], ["Ada"]]


async def test_many_come_along_with_one_statement_more(shop: Served, customer: str) -> None:
    for limit in (1, 2):
        listed = await shop.caller.get(f"/v1/customers?embed=orders&limit={limit}", headers=ADA)
        assert [[one["number"] for one in each["orders"]] for each in listed.json()] == [[1, 2, 3], []][
            :limit
        ]
        assert shop.counted() == 2
    read = await shop.caller.get(f"{customer}?embed=orders,orders", headers=ADA)
    assert ([one["number"] for one in read.json()["orders"]], shop.counted()) == ([1, 2, 3], 2)


async def test_what_is_not_the_callers_does_not_come_along(shop: Served, customer: str) -> None:
    for who in ({}, {"X-User": "2"}):
        read = await shop.caller.get(f"{customer}?embed=orders", headers=who)
        assert read.json()["orders"] == []
        listed = await shop.caller.get("/v1/customers?embed=orders", headers=who)
        assert [one["orders"] for one in listed.json()] == [[], []]


async def test_what_comes_along_has_no_version(shop: Served, customer: str) -> None:
    (first, *_) = (await shop.caller.get("/v1/orders", headers=ADA)).json()
    url = f"/v1/orders/{first['id']}"
    tagged = {**ADA, "If-None-Match": '"1"'}
    assert (await shop.caller.get(url, headers=tagged)).status_code == 304
    with_customer = await shop.caller.get(f"{url}?embed=customer", headers=tagged)
    assert (with_customer.status_code, "ETag" in with_customer.headers) == (200, False)


@pytest.mark.parametrize("embed", ["owner", "customer,owner", "customer,", ",", "customer%00"])
async def test_what_cannot_come_along(shop: Served, embed: str) -> None:
    for url in ("/v1/orders", "/v1/orders/1"):
        refused = await shop.caller.get(f"{url}?embed={embed}", headers=ADA)
        assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["query", "embed"])
    assert (await shop.caller.get("/v1/strict?embed=customer")).status_code == 422


async def test_its_document(shop: Served) -> None:
    document = shop.app.openapi()
    (embed,) = (one for one in document["paths"]["/v1/orders"]["get"]["parameters"] if one["name"] == "embed")
    assert embed["description"] == "What comes along, separated by commas: customer."
    schema = document["components"]["schemas"]["OrderResponseEmbedding"]["properties"]
    assert schema["customer"]["anyOf"][0] == {"$ref": "#/components/schemas/CustomerResponse"}
    assert "customer" not in document["components"]["schemas"]["OrderResponse"]["properties"]


async def test_what_is_no_relation(shop: Served) -> None:
    resource = type("Here", (stanchion.Resource,), {"session": shop.database.get_session})
    customers = resource(Customer, response=CustomerResponse)
    with pytest.raises(ValueError, match="Customer has no relation 'name' to embed"):
        resource(Customer, response=CustomerResponse, embed={"name": customers})
    with pytest.raises(ValueError, match=r"Customer.orders leads to Order, and not to Customer"):
        resource(Customer, response=CustomerResponse, embed={"orders": customers})
