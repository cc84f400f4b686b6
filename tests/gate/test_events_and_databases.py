"""Logs that go elsewhere, databases that come from elsewhere: none of that is proven to be missing."""

from pathlib import Path

import pytest

from stanchion.gate import Project, Result, Verdict, all_rules, check
from stanchion.gate.model import NotChecked
from stanchion.gate.rules.database.engine_follows_url import _naming, _others, _reading
from stanchion.gate.source import Module

pytestmark = pytest.mark.measured

LOCKED = """
import logging
from typing import Annotated

from fastapi import FastAPI, HTTPException, Security
from fastapi.security import HTTPBearer

app = FastAPI()
logger = logging.getLogger(__name__)
bearer = HTTPBearer(auto_error=False)


@app.get("/private")
def private(key: Annotated[object, Security(bearer)]) -> str:
    {said}
    raise HTTPException(401, "No")
"""
DATABASES = """
import os
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

engine = create_engine(os.environ.get("SQLALCHEMY_DATABASE_URI", "sqlite:///./one.db"))


def second() -> str:
    return "sqlite+aiosqlite:///./two.db"


other = create_async_engine(second())
app = FastAPI()


class Repository:
    def one(self) -> int:
        with engine.connect() as connection:
            return connection.execute(text("select count(*) from sqlite_master")).scalar_one()


repository = Repository()


def get_repository() -> Repository:
    return repository


def get_user() -> dict[str, int]:
    with engine.connect() as connection:
        return {"id": connection.execute(text("select 7")).scalar_one()}


@app.get("/handed-over")
def handed_over(own: Annotated[Repository, Depends(get_repository)]) -> int:
    return own.one()


@app.get("/by-the-user-alone")
def by_the_user_alone(user: Annotated[dict[str, int], Depends(get_user)]) -> int:
    return user["id"]


@app.get("/beside-the-user")
def beside_the_user(user: Annotated[dict[str, int], Depends(get_user)]) -> int:
    return repository.one()


@app.get("/async")
async def in_the_loop() -> int:
    async with other.connect() as connection:
        return (await connection.execute(text("select count(*) from sqlite_master"))).scalar_one()


@app.get("/no-table")
def no_table() -> int:
    with engine.connect() as connection:
        return connection.execute(text("select 1")).scalar_one()
"""


def run(folder: Path, text: str, *ids: str) -> dict[str, Result]:
    (folder / "main.py").write_text(text)
    rules = [one for one in all_rules() if one.id in ids]
    return {one.rule.id: one for one in check(Project.find(folder), rules=rules).results}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("pass", ["proven"]),
        ("print('refused')", []),
        ("logger.warning('refused')", []),
        ("logger.info('refused')", ["suspected"]),  # below the level that is shown
    ],
)
def test_what_is_said_of_a_refusal(said: str, expected: list[str], tmp_path: Path) -> None:
    (result,) = run(tmp_path, LOCKED.replace("{said}", said), "C08").values()
    assert ([str(one.verdict) for one in result.findings], result.reason) == (expected, "")


@pytest.mark.slow
def test_a_log_in_a_file_is_not_looked_for(tmp_path: Path) -> None:
    (result,) = run(tmp_path, LOCKED.replace("{said}", "pass  # to logging.FileHandler"), "C08").values()
    assert result.findings == ()
    assert result.reason == "the log may go where it is not looked for: main.py has FileHandler"


@pytest.mark.slow
def test_what_a_migration_writes_is_no_log_of_the_apps(tmp_path: Path) -> None:
    (tmp_path / "alembic").mkdir()
    (tmp_path / "alembic/env.py").write_text("from logging.config import fileConfig\n")
    (result,) = run(tmp_path, LOCKED.replace("{said}", "pass"), "C08").values()
    assert [one.verdict for one in result.findings] == [Verdict.proven]


@pytest.mark.slow
def test_what_no_override_reaches_and_what_the_engine_follows(tmp_path: Path) -> None:
    found = run(tmp_path, DATABASES, "C10", "D08")
    assert [(one.operation, one.verdict) for one in found["C10"].findings] == [
        ("GET /beside-the-user", Verdict.proven),
        ("GET /async", Verdict.proven),
    ]
    assert "with get_user overridden: main.py, line" in found["C10"].findings[0].evidence
    assert found["D08"].findings == ()
    assert "reads SQLALCHEMY_DATABASE_URI" in found["D08"].reason


@pytest.mark.slow
def test_a_database_in_the_state_of_the_app_can_be_set(tmp_path: Path) -> None:
    text = DATABASES.replace("app = FastAPI()", "app = FastAPI()\napp.state.engine = engine")
    (result,) = run(tmp_path, text, "C10").values()
    assert result.findings == ()
    assert result.reason == "the database may come from the app's state, which a test can set"


def test_every_variable_of_a_database_gets_another_one() -> None:
    environment = {"REPLICA_URL": "postgres://user:word@host:5432/shop?sslmode=require", "API_KEY": "12"}
    assert _others(environment, "sqlite:////srv/shop.db") == {
        "DATABASE_URL": "sqlite:///./stanchion_other.db",
        "REPLICA_URL": "postgres://user:word@host:5432/stanchion_other?sslmode=require",
    }


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql+asyncpg://", "names no database"),  # as with create_engine(creator=...)
        ("sqlite://", "in memory"),
        ("sqlite+aiosqlite:///:memory:", "in memory"),
    ],
)
def test_an_url_that_says_nothing(url: str, reason: str) -> None:
    with pytest.raises(NotChecked, match=reason):
        _naming([url])
    assert _naming([url, "postgresql://host/shop"]) == ["postgresql://host/shop"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import os\nos.environ['API_KEY']", None),
        ("import os\nos.getenv('POSTGRES_SERVER')", "POSTGRES_SERVER"),
        ("import os\nos.getenv(name)", "the environment in main.py (getenv)"),
        ("from os import environ\nuse(environ)", "the environment in main.py (environ)"),
        ("import yaml", "the environment in main.py (yaml)"),
        ("class Settings(BaseSettings):\n    db_host: str\n", "db_host"),
        ("class Settings(BaseSettings):\n    secret: str\n", None),
        (
            "class Settings(library.Settings):\n    secret: str\n",
            "Settings, whose fields are those of a library too",
        ),
    ],
)
def test_what_may_be_the_url(text: str, expected: str | None) -> None:
    assert _reading([Module("main.py", text)]) == expected
