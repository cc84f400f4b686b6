"""The list and the export of a resource: what hooks ask for, whose errors come first, what a cursor shows."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Query
from fastapi.security import APIKeyQuery
from pydantic import AliasChoices, BaseModel
from pydantic import Field as Shown
from sqlalchemy import Column, ColumnElement, Numeric, insert
from sqlmodel import Field, SQLModel, col

import stanchion
from stanchion import Caller, Database
from stanchion.errors import UnauthorizedError, handle_errors
from stanchion.signing import sign_with
from stanchion.testing import client

pytestmark = pytest.mark.anyio

TOTALS = [Decimal(one) for one in ("0.004", "1.00499", "0.33333333333333")]


class Sale(SQLModel, table=True):
    __tablename__ = "list_sales"

    id: int | None = Field(default=None, primary_key=True)
    tenant: str
    rank: int = 5
    total: Decimal = Field(default=Decimal(0), sa_column=Column(Numeric(10, 2), nullable=False))


class SaleBody(BaseModel):
    total: Decimal = Decimal(0)


class SaleResponse(SaleBody):
    id: int


async def of_tenant(tenant: Annotated[str, Query()] = "new") -> ColumnElement[bool]:
    return col(Sale.tenant) == tenant


async def get_caller(
    key: Annotated[str | None, Depends(APIKeyQuery(name="key", auto_error=False))],
) -> Caller:
    if key != "right":
        raise UnauthorizedError
    return Caller(1, None)


async def ask(flag: Annotated[bool, Query()] = True) -> None: ...


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.tables["list_sales"].create)
        rows = [{"tenant": "new", "rank": 5, "total": total} for total in TOTALS]
        await connection.execute(insert(Sale), [*rows, {"tenant": "other", "rank": 5, "total": Decimal(9)}])
    yield database
    await database.close()


@pytest.fixture
async def caller(database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    class Resource(stanchion.Resource[Any]):
        session = database.get_session
        caller = get_caller

    sales = Resource(
        Sale, create=SaleBody, response=SaleResponse, sort=["total"], scope=of_tenant, authorize=ask
    )
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of this shop")
    app.include_router(sales.router(prefix="/sales"))
    async with client(app) as caller:
        yield caller


@pytest.mark.parametrize("path", ["/sales", "/sales/export"])
async def test_a_hook_takes_a_query_parameter(caller: httpx2.AsyncClient, path: str) -> None:
    for tenant, count in (("new", 3), ("other", 1), ("nobody", 0)):
        answer = await caller.get(f"{path}?tenant={tenant}&key=right")
        assert (answer.status_code, answer.text.count('"id"')) == (200, count)
    for unknown in ("tenants", "flag", "format" if path == "/sales" else "limit"):
        refused = await caller.get(f"{path}?tenant=new&key=right&{unknown}=1")
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["loc"] == ["query", unknown]


@pytest.mark.parametrize("query", ["?unknown=1", "?cursor=forged", "?key=wrong&unknown=1"])
async def test_who_may_not_ask_is_told_that_first(caller: httpx2.AsyncClient, query: str) -> None:
    for path in ("/sales", "/sales/export"):
        assert (await caller.get(f"{path}{query}")).status_code == 401


async def test_a_walk_over_what_sqlite_does_not_round(
    caller: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, found = "/sales?key=right&sort=-total&limit=1", []
    for _ in TOTALS:
        answer = await caller.get(url)
        found += [row["id"] for row in answer.json()]
        url = answer.links.get("next", {}).get("url", "")
    assert (found, url) == ([2, 3, 1], "")
    monkeypatch.setattr("stanchion.resource.export.FIRST", 1)
    monkeypatch.setattr("stanchion.resource.export.BATCH", 1)
    exported = (await caller.get("/sales/export?key=right&sort=-total&format=csv")).text.splitlines()
    assert [line.split(",")[-1] for line in exported[1:]] == ["2", "3", "1"]


async def test_a_cursor_shows_nothing_that_the_response_hides(database: Database) -> None:
    class Resource(stanchion.Resource[Any]):
        session = database.get_session

    with pytest.raises(ValueError, match=r"Sale is sorted by rank, which SaleResponse does not show"):
        Resource(Sale, response=SaleResponse, sort=["total", "rank"])

    class Left(SaleResponse):
        rank: int = Shown(exclude=True)

    with pytest.raises(ValueError, match="rank"):
        Resource(Sale, response=Left, sort=["rank"])

    class Renamed(BaseModel):
        place: int = Shown(validation_alias=AliasChoices("rank", "place"))

    Resource(Sale, response=Renamed, sort=["rank", "id"])


@pytest.mark.parametrize("scope", [None, of_tenant])
async def test_the_order_where_none_is_asked_for(database: Database, scope: Any) -> None:
    class Resource(stanchion.Resource[Any]):
        session = database.get_session

    sales = Resource(Sale, response=SaleResponse, sort=["total"], order="-total", scope=scope)
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of this backend")
    app.include_router(sales.router(prefix="/sales"))
    async with client(app) as caller:
        found, url = [], "/sales?limit=2"
        while url:
            page = await caller.get(url)
            found += [sale["id"] for sale in page.json()]
            url = page.links.get("next", {}).get("url", "")
        assert found == ([2, 3, 1] if scope else [4, 2, 3, 1])
        assert [sale["id"] for sale in (await caller.get("/sales?sort=total")).json()] == found[::-1]
        listed = (await caller.get("/openapi.json")).json()["paths"]["/sales"]["get"]
        assert " by -total,-id where no `sort` is given." in listed["description"]
        (sort,) = [one for one in listed["parameters"] if one["name"] == "sort"]
        assert sort["description"].endswith(" Without it: -total,-id.")
    with pytest.raises(ValueError, match="cannot be sorted by 'rank'"):
        Resource(Sale, response=SaleResponse, order="rank")
