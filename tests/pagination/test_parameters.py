"""Which query parameters a list knows: its own, and those of all dependencies beside it."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import fastapi
import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.security import APIKeyQuery
from pydantic import AliasChoices, BaseModel, ConfigDict
from pydantic import Field as Parameter
from sqlalchemy import BigInteger, Column, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from stanchion.database import Database
from stanchion.errors import handle_errors
from stanchion.filtering import Filters
from stanchion.pagination import Listing, Selection
from stanchion.pagination.parameters import PROVEN_ON, refuse_unknown
from stanchion.signing import sign_with
from stanchion.testing import client

pytestmark = pytest.mark.anyio


class Asked(SQLModel, table=True):
    __tablename__ = "asked_rows"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    word: str = ""


class Model(BaseModel):
    colour: str = ""
    size: int = Parameter(0, validation_alias=AliasChoices("size", "groesse"))


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


async def tenant(tenant: Annotated[str, Query()] = "", which: Annotated[str, Query(alias="w")] = "") -> str:
    return tenant + which


async def nested(found: Annotated[str, Depends(tenant)], model: Annotated[Model, Query()]) -> str:
    return found + model.colour


async def guard(key: Annotated[str | None, Depends(APIKeyQuery(name="key", auto_error=False))]) -> None:
    if key != "right":
        raise HTTPException(401)


async def anything(model: Annotated[Open, Query()]) -> None: ...


async def header(x_shelf: Annotated[str, fastapi.Header()] = "") -> str:
    return x_shelf


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[FastAPI]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.tables["asked_rows"].create)
        await connection.execute(insert(Asked), [{"id": 1, "word": "a"}])
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of this backend")
    listing = Listing(Asked, filters=Filters(Asked, ["word"]), sort=["word"])

    async def rows(
        session: Annotated[AsyncSession, Depends(database.get_session)],
        selection: Annotated[Selection, Depends(listing)],
        response: Response,
    ) -> list[int | None]:
        return [row.id for row in await selection.fetch(session, select(Asked), response)]

    async def by_hand(request: Request, found: Annotated[str, Depends(nested)]) -> str:
        refuse_unknown(request)
        return found

    app.add_api_route("/plain", rows, dependencies=[Depends(header)])
    app.add_api_route("/nested", rows, dependencies=[Depends(nested)])
    app.add_api_route("/any", rows, dependencies=[Depends(anything)])
    app.add_api_route("/by-hand", by_hand)
    router = APIRouter()
    router.add_api_route("/rows", rows)
    app.include_router(router, prefix="/guarded", dependencies=[Depends(guard)])
    app.include_router(router, prefix="/scoped", dependencies=[Depends(tenant)])
    app.include_router(router, prefix="/bare")
    inner = FastAPI()
    handle_errors(inner)
    sign_with(inner, "the secret of this backend")
    inner.add_api_route("/rows", rows, dependencies=[Depends(tenant)])
    app.mount("/inner", inner)
    yield app
    await database.close()


@pytest.fixture
async def caller(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(app) as caller:
        yield caller


def test_it_is_proven_on_this_fastapi() -> None:
    assert fastapi.__version__.rpartition(".")[0] in PROVEN_ON


@pytest.mark.parametrize(
    ("url", "unknown"),
    [
        ("/plain?limit=3&offset=0&count=exact&sort=word&word=a&word__in=a,b&cursor=", []),
        ("/plain?tenant=a", ["tenant"]),
        ("/plain?x_shelf=a&x-shelf=a", ["x_shelf", "x-shelf"]),
        ("/nested?tenant=a&w=b&colour=red&size=3&word=a", []),
        ("/nested?groesse=3", []),
        ("/nested?which=b&colours=red&colours=blue&sort=word", ["which", "colours"]),
        ("/any?whatever=1", []),
        ("/by-hand?tenant=a&colour=red", []),
        ("/by-hand?limit=3", ["limit"]),
        ("/guarded/rows?key=right", []),
        ("/guarded/rows?key=right&tenant=a", ["tenant"]),
        ("/scoped/rows?tenant=a", []),
        ("/scoped/rows?key=right", ["key"]),
        ("/bare/rows?word=a", []),
        ("/bare/rows?tenant=a", ["tenant"]),
        ("/inner/rows?tenant=a", []),
        ("/inner/rows?key=a", ["key"]),
    ],
)
async def test_what_nobody_declares_is_named(
    caller: httpx2.AsyncClient, url: str, unknown: list[str]
) -> None:
    for _ in range(2):  # what is known is kept for the next request
        response = await caller.get(url)
        assert response.status_code == (422 if unknown else 200), response.text
        if unknown:
            found = {tuple(error["loc"]): error["type"] for error in response.json()["errors"]}
            assert found == {("query", name): "extra_forbidden" for name in unknown}


async def test_who_may_not_ask_is_told_that_first(caller: httpx2.AsyncClient) -> None:
    for query in ("", "?unknown=1", "?cursor=forged"):
        assert (await caller.get(f"/guarded/rows{query}")).status_code == 401


async def test_the_links_keep_what_others_declare(caller: httpx2.AsyncClient) -> None:
    response = await caller.get("/scoped/rows?tenant=a&limit=1")
    assert response.links["first"]["url"] == "/scoped/rows?tenant=a&limit=1"


async def test_a_dependency_that_is_overridden(app: FastAPI, caller: httpx2.AsyncClient) -> None:
    async def other(name: Annotated[str, Query()] = "") -> Any:
        return name

    assert (await caller.get("/nested?tenant=a")).status_code == 200
    app.dependency_overrides[tenant] = other
    assert (await caller.get("/nested?name=a&colour=red")).status_code == 200
    assert (await caller.get("/nested?tenant=a")).status_code == 422
    app.dependency_overrides.clear()
    assert (await caller.get("/nested?tenant=a")).status_code == 200
