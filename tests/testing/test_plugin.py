"""The plugin in pytest runs of their own, and the client."""

import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx2
import pytest
from fastapi import FastAPI, Request

from stanchion.testing import client

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.measured


@pytest.fixture(autouse=True)
def nothing_else_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # a second faster, each


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """The tests of a project that loads the plugin."""
    pytester.makeconftest('pytest_plugins = ["stanchion.testing.plugin"]')
    pytester.makepyprojecttoml('[tool.pytest]\nstrict = true\nfilterwarnings = ["error"]')
    return pytester


@pytest.fixture
def backend(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with a backend, whose settings are read when it is imported, and a migration."""
    pytester.mkdir("tests")
    pytester.makepyprojecttoml(
        '[tool.pytest]\nstrict = true\nfilterwarnings = ["error"]\ntestpaths = ["tests"]'
    )
    files = {
        "main": """
            import os

            seen = {name: os.environ[name] for name in ("DATABASE_URL", "ENVIRONMENT", "API_KEY")}
        """,
        "tests/conftest": """
            from pathlib import Path
            from stanchion.testing import prepare

            pytest_plugins = ["stanchion.testing.plugin"]

            def pytest_sessionstart(session):
                prepare(session.config, Path(__file__).parents[1])
        """,
        "tests/test_it": """
            import asyncio
            import main
            from stanchion.database.url import parse
            from sqlalchemy import text
            from sqlalchemy.ext.asyncio import create_async_engine

            async def rows():
                engine = create_async_engine(parse(main.seen["DATABASE_URL"]))
                async with engine.connect() as connection:
                    found = (await connection.execute(text("SELECT id FROM things"))).scalars().all()
                await engine.dispose()
                return found

            def test_it(request):
                print("SEEN", *main.seen.values())
                assert main.seen["DATABASE_URL"].startswith(request.config.getoption("database"))
                assert asyncio.run(rows()) == [7]
        """,
        "migrations/versions/0001_things": """
            from alembic import op
            import sqlalchemy as sa

            revision = "0001"
            down_revision = None

            def upgrade():
                op.create_table("things", sa.Column("id", sa.Integer, primary_key=True))
                op.execute("INSERT INTO things VALUES (7)")
        """,
    }
    pytester.mkdir("migrations")
    (pytester.path / "migrations" / "versions").mkdir()
    pytester.makepyfile(**files)
    return pytester


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "-s", *arguments)


def test_sqlite_alone_needs_no_server(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANCHION_TEST_DATABASE_URL", "postgresql://127.0.0.1:1/away")
    project.makepyfile("""
        def test_param(database_url): assert database_url.startswith("sqlite:////")
        def test_direct(postgresql_url): pass
        def test_server(postgres_server): pass
        def test_file(sqlite_url, tmp_path): assert sqlite_url == f"sqlite:///{tmp_path}/test.db"
    """)
    result = run(project, "-m", "not postgres")
    result.assert_outcomes(passed=2, deselected=3)


@pytest.mark.postgres
def test_without_a_server_they_fail_in_one_sentence(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANCHION_TEST_DATABASE_URL", "postgresql://127.0.0.1:1/away")
    project.makepyfile("def test_param(database_url): pass\ndef test_direct(postgresql_url): pass")
    result = run(project)
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(
        ["The server of STANCHION_TEST_DATABASE_URL does not answer; correct or unset it*"]
    )
    assert "Traceback" not in result.stdout.str()


@pytest.mark.postgres
@pytest.mark.anyio
async def test_each_test_has_a_database_of_its_own_that_is_dropped(
    project: pytest.Pytester, postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANCHION_TEST_DATABASE_URL", postgresql_url)
    project.makepyfile("""
        import asyncio, asyncpg, pytest

        async def create(url):
            connection = await asyncpg.connect(url)
            await connection.execute("CREATE TABLE t (id int)")
            await connection.close()

        @pytest.mark.parametrize("turn", [1, 2])
        def test_it(turn, database_url):
            if database_url.startswith("postgresql"):
                asyncio.run(create(database_url))
    """)
    connection = await asyncpg.connect(postgresql_url)
    before = await connection.fetch("SELECT datname FROM pg_database ORDER BY 1")
    run(project).assert_outcomes(passed=4)
    assert await connection.fetch("SELECT datname FROM pg_database ORDER BY 1") == before
    await connection.close()


@pytest.mark.postgres
def test_the_session_leaves_no_server(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STANCHION_TEST_DATABASE_URL", raising=False)
    project.makepyfile("""
        from pathlib import Path

        import pytest
        from stanchion.testing import postgres

        @pytest.fixture(scope="session", autouse=True)
        def on_the_disk():
            postgres._MEMORY = Path("/nowhere")

        def test_it(postgres_server, tmp_path): assert postgres_server.directory.parent.name == "only-its"
    """)
    with tempfile.TemporaryDirectory() as temporary:
        Path(temporary).chmod(0o755)
        own = Path(temporary) / "only-its"
        own.mkdir()
        monkeypatch.setenv("TMPDIR", str(own))
        run(project).assert_outcomes(passed=1)
        assert list(own.iterdir()) == []


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_prepare_gives_a_backend_its_own_database(
    database: str, backend: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///./the-developers-own.db")
    monkeypatch.setenv("ENVIRONMENT", "production")
    result = run(backend, "--database", database)
    result.assert_outcomes(passed=1)
    found = re.search(r"SEEN (\S+) (\S+) (\S+)", result.stdout.str())
    assert found
    url, environment, key = found.groups()
    assert environment == "test"
    assert re.fullmatch(r"st_[a-z2-7]{8}_[\w-]{43}", key)
    assert not (backend.path / "the-developers-own.db").exists()
    if database == "sqlite":
        assert not Path(url.removeprefix("sqlite:///")).parent.exists()


@pytest.mark.postgres
def test_prepare_without_a_server_fails_in_one_sentence(
    backend: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANCHION_TEST_DATABASE_URL", "postgresql://127.0.0.1:1/away")
    result = run(backend, "--database=postgresql")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: The server of STANCHION_TEST_DATABASE_URL does not answer*"])
    assert "Traceback" not in result.stderr.str()


@pytest.mark.anyio
async def test_the_client_runs_the_lifespan() -> None:
    events = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        events.append("up")
        yield {"greeting": "hello"}
        events.append("down")

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def root(request: Request) -> dict[str, str]:
        return {
            "greeting": request.state.greeting,
            "url": str(request.url),
            "key": request.headers["X-API-Key"],
        }

    async with client(app, headers={"X-API-Key": "secret"}) as caller:
        assert events == ["up"]
        response = await caller.get("/")
        assert isinstance(response, httpx2.Response)
        assert response.json() == {"greeting": "hello", "url": "http://testserver/", "key": "secret"}
    assert events == ["up", "down"]


@pytest.mark.anyio
async def test_the_client_shows_an_exception_or_its_500() -> None:
    app = FastAPI()

    @app.get("/")
    async def root() -> None:
        raise ZeroDivisionError

    async with client(app) as caller:
        with pytest.raises(ZeroDivisionError):
            await caller.get("/")
    async with client(app, raise_app_exceptions=False) as caller:
        assert (await caller.get("/")).status_code == 500
