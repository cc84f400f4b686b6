"""The tests' own database, and clients of the app: the service's, and two users'."""

import os
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

import stanchion
from stanchion.testing import client, prepare

pytest_plugins = ["stanchion.testing.plugin"]

APP = Path(__file__).parents[1]


def pytest_sessionstart(session: pytest.Session) -> None:
    """Settle the settings before any test module imports the app: the tests' own, and else the defaults.

    No test reads `.env`, or what the shell has of the settings that `.env.example` lists.
    """
    stanchion.Settings.model_config["env_file"] = None
    for name in re.findall(r"^#?(\w+)=", (APP / ".env.example").read_text(encoding="utf-8"), re.MULTILINE):
        os.environ.pop(name, None)
    os.environ["SIGN_UP_LIMIT"] = "100000/minute"  # the tests make many users, from one address
    prepare(session.config, APP)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def anyone() -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a key."""
    from main import app

    async with client(app) as caller:
        yield caller


@pytest.fixture
def service(anyone: httpx2.AsyncClient) -> dict[str, str]:
    """The headers of the service key."""
    from settings import settings

    return {"X-API-Key": settings.API_KEY.get_secret_value()}


async def new_user() -> dict[str, str]:
    """Make a user, and return the headers of a key of theirs. `test_users.py` does it over the API."""
    from database import database
    from models import User
    from stanchion import security

    email = f"{secrets.token_hex(8)}@example.com"
    async with database.transaction() as session:
        user = User(email=email, email_key=email, name="Ada", password_hash="none")
        session.add(user)
        await session.flush()
        _, key = await security.create(session, user_id=user.id, name="test")
    return {"X-API-Key": key}


@pytest.fixture
async def ada(anyone: httpx2.AsyncClient) -> dict[str, str]:
    return await new_user()


@pytest.fixture
async def bob(anyone: httpx2.AsyncClient) -> dict[str, str]:
    return await new_user()
