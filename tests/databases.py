"""Databases that are filled once: each test finds them as they were then, at the same URL.

So the app over one can be made once too. What takes the time of a small test is not the database, it is
FastAPI and Pydantic, which build a few hundred models for the routes of an app.
"""

import asyncio
import shutil
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import make_url

from stanchion import Database
from stanchion.database import migrations
from stanchion.testing.postgres import Cluster

Fill = Callable[[Database], Awaitable[object]]

ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
"""For the `params` of a fixture that lasts longer than a test, and uses `renewable`."""


class Renewable(ABC):
    """A database at `url`, which `renew` puts back to what it was filled with: tables, rows and sequences."""

    def __init__(self, url: str) -> None:
        self.url = url

    @abstractmethod
    def renew(self) -> None:
        """Put the copy of the original in the place of what is there. Nobody may be at work in it."""


class _File(Renewable):
    def __init__(self, directory: Path, fill: Fill, migrated: str | None) -> None:
        self._original, self._copy = directory / "original.db", directory / "test.db"
        super().__init__(f"sqlite:///{self._copy}")
        if migrated:
            shutil.copyfile(_name(migrated), self._original)
        _fill(f"sqlite:///{self._original}", fill)

    def renew(self) -> None:
        for name in ("", "-wal", "-shm"):
            self._copy.with_name(self._copy.name + name).unlink(missing_ok=True)
        shutil.copyfile(self._original, self._copy)


class _OnServer(Renewable):
    def __init__(self, server: Cluster, fill: Fill, migrated: str | None) -> None:
        template = _name(migrated) if migrated else "template1"
        self._server, self._original = server, server.create_database(template=template)
        _fill(self._original, fill)
        super().__init__(server.create_database(template=_name(self._original)))

    def renew(self) -> None:
        self._server.drop_database(self.url)
        self._server.create_database(_name(self.url), template=_name(self._original))

    def drop(self) -> None:
        for url in (self.url, self._original):
            self._server.drop_database(url)


@contextmanager
def renewable(
    request: pytest.FixtureRequest, fill: Fill, *, migrated: str | None = None
) -> Iterator[Renewable]:
    """Fill a database of the engine that is the fixture's `param`, or a copy of `migrated`."""
    if request.param == "sqlite":
        temporary: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
        yield _File(temporary.mktemp("renewable"), fill, migrated)
        return
    database = _OnServer(request.getfixturevalue("postgres_server"), fill, migrated)
    yield database
    database.drop()


def _fill(url: str, fill: Fill) -> None:
    async def run() -> None:
        database = Database(url)
        try:
            await fill(database)
        finally:
            await database.close()

    asyncio.run(run())


def _name(url: str) -> str:
    return make_url(url).database or ""


@pytest.fixture(scope="session")
def original_of(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """Return the URL of a database of an engine that has the library's own tables: it is to be copied."""

    @cache
    def original_of(engine: str) -> str:
        folder = tmp_path_factory.mktemp("migrated")
        url = f"sqlite:///{folder}/original.db"
        if engine == "postgresql":
            url = request.getfixturevalue("postgres_server").create_database()
        migrations.upgrade(url, folder)
        return url

    return original_of


@pytest.fixture
def migrated_sqlite_url(original_of: Callable[[str], str], tmp_path: Path) -> str:
    """A SQLite database of this test's own, with the library's tables."""
    copy = tmp_path / "test.db"
    shutil.copyfile(_name(original_of("sqlite")), copy)
    return f"sqlite:///{copy}"


@pytest.fixture
def migrated_postgresql_url(postgres_server: Cluster, original_of: Callable[[str], str]) -> Iterator[str]:
    """A PostgreSQL database of this test's own, with the library's tables."""
    url = postgres_server.create_database(template=_name(original_of("postgresql")))
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=ENGINES)
def migrated_url(request: pytest.FixtureRequest) -> str:
    """A database of this test's own, with the library's tables; the test runs once on each engine."""
    url: str = request.getfixturevalue(f"migrated_{request.param}_url")
    return url
