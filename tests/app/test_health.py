"""/health and /health/ready."""

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from stanchion.app.health import add_health
from stanchion.database import Database
from stanchion.database.migrations import upgrade
from stanchion.errors import handle_errors
from stanchion.testing import client

pytestmark = pytest.mark.anyio


def app(database: Database | None) -> FastAPI:
    app = FastAPI()
    handle_errors(app)
    add_health(app, database)
    return app


async def test_a_path_that_takes_any_does_not_take_it() -> None:
    app = FastAPI()

    @app.get("/{slug}")
    async def any_path(slug: str) -> str:
        return slug

    add_health(app, None)
    async with client(app) as caller:
        assert (await caller.get("/health")).json() == {"status": "healthy"}
        assert (await caller.get("/other")).json() == "other"


async def test_without_a_database() -> None:
    async with client(app(None)) as caller:
        assert (await caller.get("/health")).json() == {"status": "healthy"}
        assert (await caller.get("/health/ready")).status_code == 404


async def test_ready_once_the_schema_is_current(
    database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    app_dir = tmp_path_factory.mktemp("app")
    (app_dir / "migrations" / "versions").mkdir(parents=True)
    database = Database(database_url, app_dir=app_dir)
    async with client(app(database)) as caller:
        response = await caller.get("/health/ready")
        assert (response.status_code, response.json()["error"]) == (503, "schema_outdated")
        assert "stanchion migrate" in response.json()["detail"]
        upgrade(database_url, app_dir)
        assert (await caller.get("/health/ready")).json() == {"status": "healthy"}
        async with database.transaction() as session:  # a new version is rolled out: this one goes on
            await session.execute(text("UPDATE stanchion_version SET version_num = '9999'"))
        assert (await caller.get("/health/ready")).json() == {"status": "healthy"}
    await database.close()


async def test_not_ready_without_an_answer() -> None:
    database = Database("postgresql://ada:hunter2@127.0.0.1:1/shop")
    async with client(app(database)) as caller:
        response = await caller.get("/health/ready")
        assert (response.status_code, response.json()["error"]) == (503, "database_unavailable")
        assert response.headers["Retry-After"] == "1"
        assert "127.0.0.1" not in response.text
        assert (await caller.get("/health")).status_code == 200
