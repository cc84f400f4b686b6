"""/docs without the internet."""

import re
from typing import Any

import pytest
from fastapi import FastAPI

from stanchion.app.docs import serve_docs
from stanchion.testing import client

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("root", ["", "/v1"])
async def test_all_it_loads_is_served_here(root: str) -> None:
    app = FastAPI(title="Shop", swagger_ui_parameters={"docExpansion": "none"})
    app.root_path = root
    serve_docs(app)
    async with client(app) as caller:
        page = await caller.get(f"{root}/docs")
        assert page.status_code == 200
        assert "<title>Shop - docs</title>" in page.text
        assert '"persistAuthorization": true' in page.text
        assert '"docExpansion": "none"' in page.text
        assert "//cdn" not in page.text
        assert "https://" not in page.text
        loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text) + re.findall(r"url: '([^']+)'", page.text)
        assert len(loaded) == 4
        for url in loaded:
            assert url.startswith(f"{root}/")
            assert (await caller.get(url)).status_code == 200


@pytest.mark.parametrize("root", ["", "/v1"])
async def test_so_is_what_redoc_loads(root: str) -> None:
    app = FastAPI(title="Shop")
    app.root_path = root
    serve_docs(app)
    async with client(app) as caller:
        page = await caller.get(f"{root}/redoc")
        assert page.status_code == 200
        assert "<title>Shop - reference</title>" in page.text
        assert "//cdn" not in page.text
        assert "https://" not in page.text
        loaded = re.findall(r'(?:src|href|spec-url)="([^"]+)"', page.text)
        assert sorted(loaded) == [
            f"{root}/docs/assets/favicon.png",
            f"{root}/docs/assets/redoc.standalone.js",
            f"{root}/openapi.json",
        ]
        for url in loaded:
            assert (await caller.get(url)).status_code == 200


async def test_oauth_is_set_up_as_fastapi_does() -> None:
    app = FastAPI(swagger_ui_init_oauth={"clientId": "abc"})
    serve_docs(app)
    async with client(app) as caller:
        page = await caller.get("/docs")
    assert 'ui.initOAuth({"clientId": "abc"})' in page.text
    assert "oauth2RedirectUrl: window.location.origin + '/docs/oauth2-redirect'" in page.text


async def test_a_path_that_takes_any_does_not_take_it() -> None:
    app = FastAPI()

    @app.get("/{slug}")
    async def any_path(slug: str) -> str:
        return slug

    serve_docs(app)
    async with client(app) as caller:
        assert "SwaggerUIBundle" in (await caller.get("/docs")).text
        assert "redoc.standalone" in (await caller.get("/redoc")).text
        assert (await caller.get("/other")).json() == "other"


async def test_one_page_without_the_other() -> None:
    app = FastAPI(docs_url=None)
    serve_docs(app)
    async with client(app) as caller:
        assert (await caller.get("/redoc")).status_code == 200
        assert (await caller.get("/docs")).status_code == 404


async def test_a_path_of_ones_own_and_parameters_of_ones_own() -> None:
    app = FastAPI(docs_url="/manual", swagger_ui_parameters={"persistAuthorization": False})
    serve_docs(app)
    async with client(app) as caller:
        assert '"persistAuthorization": false' in (await caller.get("/manual")).text
        assert (await caller.get("/docs")).status_code == 404


@pytest.mark.parametrize("off", [{"docs_url": None, "redoc_url": None}, {"openapi_url": None}])
async def test_an_app_without_docs_gets_none(off: dict[str, Any]) -> None:
    app = FastAPI(**off)
    before = list(app.router.routes)
    serve_docs(app)
    assert app.router.routes == before
