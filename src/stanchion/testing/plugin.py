"""The pytest plugin: databases to throw away, as fixtures.

A conftest loads it with `pytest_plugins = ["stanchion.testing.plugin"]`. The PostgreSQL server is
started by the first test that needs it. Where there is none the test fails: it is never skipped.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from stanchion.testing import postgres


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=["sqlite", "postgresql"],
        default="sqlite",
        help="the engine of the database that stanchion.testing.prepare() makes (default: sqlite)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "postgres: talks to a PostgreSQL server")


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what asks for the server, so that `-m "not postgres"` needs none."""
    for item in items:
        if "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Cluster]:
    """The server of the session: launched, or the one that STANCHION_TEST_DATABASE_URL names."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgres.server())
        except postgres.PostgresUnavailable as error:
            pytest.fail(str(error), pytrace=False)
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database of this test's own: a file that is not there yet."""
    return f"sqlite:///{tmp_path}/test.db"


@pytest.fixture
def postgresql_url(postgres_server: postgres.Cluster) -> Iterator[str]:
    """A PostgreSQL database of this test's own, empty."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database of this test's own; the test runs once on each engine."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url
