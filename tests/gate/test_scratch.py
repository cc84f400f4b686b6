"""On PostgreSQL a check writes to a scratch database, by a door of its own, and leaves nothing behind."""

import socket
from collections.abc import Iterable
from pathlib import Path

import asyncpg
import pytest

from stanchion.gate import Finding, Kind, Line, Options, Project, Report, Rule, Severity, Verdict, check
from stanchion.gate.scratch import ScratchError, Server, _readdressed, is_postgres, scratch
from stanchion.gate.subject import Subject
from stanchion.testing import postgres

pytestmark = pytest.mark.measured

APP = """
import os
from contextlib import asynccontextmanager

import {module}
from fastapi import FastAPI
from sqlalchemy import text
from {create_from} import {create}

engine = {create}({url})
app = FastAPI()


@app.get("/where")
{asynchronous}def where() -> str:
    {asynchronous}with engine.begin() as connection:
        {awaited}connection.execute(text("CREATE TABLE IF NOT EXISTS kept (id INT)"))
        return ({awaited}connection.execute(text("SELECT current_database()"))).scalar_one()
"""
DRIVERS = {
    "asyncpg": {"create_from": "sqlalchemy.ext.asyncio", "create": "create_async_engine"},
    "psycopg": {"create_from": "sqlalchemy", "create": "create_engine"},
    "psycopg2": {"create_from": "sqlalchemy", "create": "create_engine"},
}


def write(root: Path, driver: str, url: str = 'os.environ["DATABASE_URL"]') -> Project:
    is_async = driver == "asyncpg"
    text = APP.format(
        module=driver,
        url=url,
        asynchronous="async " if is_async else "",
        awaited="await " if is_async else "",
        **DRIVERS[driver],
    )
    (root / "main.py").write_text(text)
    return Project.find(root, entry="main:app")


def look(subject: Subject) -> Iterable[Finding]:
    (operation,) = subject.document.operations
    exchange = subject.running.ask(operation)
    yield Finding(message=str(exchange.json), verdict=Verdict.proven, evidence=exchange.summary)


WHERE = Rule("X01", "Where it is", Severity.information, Kind.live, Line.docs, look, "")


def databases(server: postgres.Cluster) -> set[str]:
    import asyncio

    async def names() -> set[str]:
        connection = await asyncpg.connect(server.url)
        try:
            return {row[0] for row in await connection.fetch("SELECT datname FROM pg_database")}
        finally:
            await connection.close()

    return asyncio.run(names())


def run(project: Project, url: str = "", *, given: str = "") -> Report:
    environment = (("DATABASE_URL", url),) if url else ()
    return check(project, rules=[WHERE], options=Options(environment=environment, database_url=given))


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("driver", list(DRIVERS))
def test_the_app_gets_a_scratch_database(
    tmp_path: Path, postgres_server: postgres.Cluster, postgresql_url: str, driver: str
) -> None:
    before = databases(postgres_server)
    url = postgresql_url.replace("postgresql://", f"postgresql+{driver}://")
    report = run(write(tmp_path, driver), url)
    (result,) = report.results
    assert result.reason == ""
    assert result.findings[0].message.startswith("stanchion_check_")
    server = Server.of(url)
    assert report.notes == (f"DATABASE_URL was a scratch database on {server.name}",)
    assert databases(postgres_server) == before


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("driver", list(DRIVERS))
def test_a_database_named_in_the_code_is_left_alone(tmp_path: Path, postgresql_url: str, driver: str) -> None:
    """Also where a scratch database on the same server was given: the door is another port."""
    url = postgresql_url.replace("postgresql://", f"postgresql+{driver}://")
    report = run(write(tmp_path, driver, repr(url)), url)
    (result,) = report.results
    name = Server.of(url).name
    assert result.reason.startswith(f"the app's connection to {name} was refused (main.py, line 16): ")
    assert not result.findings


@pytest.mark.slow
@pytest.mark.postgres
def test_a_server_that_is_given(tmp_path: Path, postgresql_url: str) -> None:
    """Its own variable names a server that is not there, and a database that is not there yet."""
    url = postgresql_url.rpartition("/")[0] + "/not_there_yet"
    report = run(write(tmp_path, "psycopg"), given=url.replace("postgresql:", "postgresql+psycopg:"))
    assert report.results[0].findings[0].message.startswith("stanchion_check_")


@pytest.mark.slow
def test_another_machine_is_left_alone(tmp_path: Path) -> None:
    report = run(write(tmp_path, "psycopg"), "postgresql+psycopg://u:secret@db.example.com/shop")
    assert report.notes == (
        "no scratch database could be made for DATABASE_URL: db.example.com:5432 is not this machine: name "
        "another server with --database-url, or say --i-own-this-target",
    )
    said = report.results[0].reason
    assert said.startswith("the app's connection to db.example.com:5432 was refused (main.py, line 16): ")


def test_a_server_that_does_not_answer() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        made = scratch(f"postgresql://u:secret@127.0.0.1:{port}/a")
        with pytest.raises(ScratchError, match=rf"^127\.0\.0\.1:{port}: "):
            made.__enter__()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://h/d", ("h:5432", None, None, "d", False)),
        ("postgresql+asyncpg://u:p%40@h:6000/d%20d?ssl=require", ("h:6000", "u", "p@", "d d", False)),
        ("postgresql://u@/d?host=/run/postgresql&port=5433", ("/run/postgresql:5433", "u", None, "d", True)),
        ("postgresql://u@127.0.0.1", ("127.0.0.1:5432", "u", None, "u", True)),
    ],
)
def test_reading_a_url(url: str, expected: tuple[str, str | None, str | None, str, bool]) -> None:
    read = Server.of(url)
    assert (read.name, read.user, read.password, read.database, read.is_loopback) == expected


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql:///d", "its URL names no host"),
        ("postgresql://h1:1,h2:2/d", "its URL cannot be read"),
        ("postgresql://u@/d?host=a,b", "its URL names several hosts"),
        ("postgresql://h:port/d", "its URL cannot be read"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, why: str) -> None:
    with pytest.raises(ScratchError, match=f"^{why}"):
        Server.of(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql+asyncpg://u:p%40@h:6000/d?ssl=require",
            "postgresql+asyncpg://u:p%40@127.0.0.1:1/x?ssl=require",
        ),
        (
            "postgres:///d?host=/run/postgresql&connect_timeout=3",
            "postgres://127.0.0.1:1/x?connect_timeout=3",
        ),
    ],
)
def test_the_url_that_the_app_gets(url: str, expected: str) -> None:
    assert _readdressed(url, 1, "x") == expected


def test_what_is_postgresql() -> None:
    assert is_postgres("postgresql+psycopg2://h/d")
    assert not is_postgres("sqlite:///a.db")


def test_a_server_in_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket has at most 107 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(".s.PGSQL.5432")
        listener.listen()
        with Server("/proc/self/cwd", 5432, None, None, "d", "prefer").connect() as connection:
            connection.sendall(b"hello")
            with listener.accept()[0] as accepted:
                assert accepted.recv(5) == b"hello"
