"""Pages and the links between them."""

from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import quote

import httpx2
import pytest
from fastapi import FastAPI, Query, Request, Response

from stanchion.errors import handle_errors
from stanchion.pagination import Page, add_links
from stanchion.testing import client

pytestmark = pytest.mark.anyio

ROWS = list(range(120))


class Filtered(Page):
    word: str = ""


def listed() -> FastAPI:
    app = FastAPI()
    handle_errors(app)

    @app.get("/lists/{name}")
    async def rows(
        name: str, page: Annotated[Filtered, Query()], request: Request, response: Response
    ) -> list[int]:
        found = ROWS[page.offset : page.offset + page.limit + 1]
        add_links(request, response, page, more=len(found) > page.limit)
        return found[: page.limit]

    return app


@pytest.fixture
async def caller() -> AsyncIterator[httpx2.AsyncClient]:
    async with client(listed()) as caller:
        yield caller


async def walk(caller: httpx2.AsyncClient, url: str, rel: str) -> list[int]:
    found: list[int] = []
    while url:
        response = await caller.get(url)
        assert response.status_code == 200
        found += response.json()
        url = response.links.get(rel, {}).get("url", "")
    return found


@pytest.mark.parametrize(
    "start", ["/lists/a", "/lists/a?limit=7", "/lists/a?limit=120&word=a%26b", "/lists/π%3E%3F%0A?limit=100"]
)
async def test_next_leads_through_all_rows(caller: httpx2.AsyncClient, start: str) -> None:
    assert await walk(caller, start, "next") == ROWS


async def test_prev_leads_back_to_the_first(caller: httpx2.AsyncClient) -> None:
    assert await walk(caller, "/lists/a?limit=50&offset=70", "prev") == [*ROWS[70:], *ROWS[20:70], *ROWS[:50]]


@pytest.mark.parametrize(
    ("query", "links"),
    [
        ("", {"first": "limit=50&offset=0", "next": "limit=50&offset=50"}),
        ("?limit=200", {"first": "limit=200&offset=0"}),
        ("?offset=100", {"first": "limit=50&offset=0", "prev": "limit=50&offset=50"}),
        (
            "?word=a%20b%3E&limit=1",
            {"first": "word=a+b%3E&limit=1&offset=0", "next": "word=a+b%3E&limit=1&offset=1"},
        ),
    ],
)
async def test_links_are_relative_and_keep_the_query(
    caller: httpx2.AsyncClient, query: str, links: dict[str, str]
) -> None:
    response = await caller.get(f"/lists/a{query}", headers={"Host": "[evil"})
    assert {rel: link["url"] for rel, link in response.links.items()} == {
        rel: f"/lists/a?{query}" for rel, query in links.items()
    }


@pytest.mark.parametrize(
    ("declared", "served", "path"),
    [
        ("", "", "/lists/a"),
        ("/v1", "", "/lists/a"),  # a proxy that takes its prefix away, and the app is told of it
        ("/v1", "", "/v1/lists/a"),
        ("", "/v1", "/v1/lists/a"),  # the server is told of it: uvicorn --root-path
        ("", "/lists", "/lists/lists/a"),
        ("", "/ü", "/ü/lists/a"),
    ],
)
async def test_links_are_as_the_client_reaches_them(declared: str, served: str, path: str) -> None:
    app = listed()
    app.root_path = declared
    mounted = httpx2.ASGITransport(app=app, root_path=served)
    async with httpx2.AsyncClient(transport=mounted, base_url="http://test") as caller:
        response = await caller.get(f"{path}?limit=40")
        outside = quote(f"{(declared or served).rstrip('/')}/lists/a")
        assert response.links["next"]["url"] == f"{outside}?limit=40&offset=40"
        assert await walk(caller, f"{path}?limit=40", "next") == ROWS
        # A client that joins it with the URL that it asked for comes to the same.
        joined = httpx2.URL(f"http://test{outside}?limit=40").join(response.links["next"]["url"])
        assert (await caller.get(joined)).json() == ROWS[40:80]


async def test_links_of_an_app_that_is_mounted() -> None:
    app = FastAPI()
    app.mount("/inner", listed())
    async with client(app) as caller:
        assert await walk(caller, "/inner/lists/a?limit=40", "next") == ROWS


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=a", "offset=-1", "offset=9223372036854775808", "count=all", "page=2"],
)
async def test_what_is_no_page(caller: httpx2.AsyncClient, query: str) -> None:
    response = await caller.get(f"/lists/a?{query}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["query", query.partition("=")[0]]
