"""What a backend's tests need: `client`, and `prepare`, which gives the tests a database of their own.

`stanchion.testing.plugin` has the fixtures, `stanchion.testing.postgres` the server. It all comes
with `stanchion[dev]`; a backend in production never imports it.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from stanchion.secret import new_key
from stanchion.testing import postgres

__all__ = ["client", "prepare"]


@asynccontextmanager
async def client(
    app: Starlette, *, raise_app_exceptions: bool = True, **options: Any
) -> AsyncIterator[httpx2.AsyncClient]:
    """Call the app in this process, between its start-up and its shutdown.

    `options` are those of `httpx2.AsyncClient`, such as `headers`. An exception that the app turns
    into a 500 reaches the test as well, unless `raise_app_exceptions` is false. A reply arrives
    whole: a stream that does not end by itself needs a server.
    """
    async with app.router.lifespan_context(app) as state:

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = dict(state or {})
            await app(scope, receive, send)

        transport = httpx2.ASGITransport(with_state, raise_app_exceptions=raise_app_exceptions)
        async with httpx2.AsyncClient(transport=transport, base_url="http://testserver", **options) as caller:
            yield caller


def prepare(config: pytest.Config, app_dir: Path) -> str:
    """Give the backend in `app_dir` a migrated database to throw away, and return its URL.

    Modules such as `main` read their settings when they are imported, and pytest imports the test
    modules, which import `main`, when it collects them. So the environment has to be settled before
    that, which no fixture can do. A conftest calls this from the hook that runs in between:

        pytest_plugins = ["stanchion.testing.plugin"]

        def pytest_sessionstart(session):
            prepare(session.config, Path(__file__).parents[1])

    (and imports `main` inside its fixtures). It sets DATABASE_URL, on the engine of `--database`,
    ENVIRONMENT and API_KEY, whatever the shell or `.env` say, so that no test can touch another
    database, and JOBS_WORKER to false: a test runs jobs when it wants to, by `Worker(jobs).run_due()`.
    It puts `app_dir` on `sys.path`; all is undone when pytest ends.
    """
    from stanchion.database import migrations  # Alembic: not for those who only want `client`

    with ExitStack() as stack:
        url = _throw_away(config.getoption("database"), stack)
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("DATABASE_URL", url)
        environment.setenv("ENVIRONMENT", "test")
        environment.setenv("API_KEY", new_key())
        environment.setenv("JOBS_WORKER", "false")
        environment.syspath_prepend(app_dir)
        migrations.upgrade(url, app_dir)
        config.add_cleanup(stack.pop_all().close)
    return url


def _throw_away(database: str, stack: ExitStack) -> str:
    if database == "sqlite":
        return f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory(prefix='stanchion-'))}/test.db"
    try:
        return stack.enter_context(postgres.server()).create_database()
    except postgres.PostgresUnavailable as error:
        raise pytest.UsageError(str(error)) from error  # pytest prints the sentence, without a traceback
