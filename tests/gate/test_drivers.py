"""What connects in C, where no audit hook sees it, asks the guard all the same."""

import asyncio
import importlib
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stanchion.gate.agent import drivers, guard

ALLOWED = "127.0.0.1:5433"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The guard in this process without its hook, and the drivers as they were before."""
    made: dict[str, Any] = {
        "root": str(tmp_path),
        "allowed": frozenset({ALLOWED}),
        "refused": [],
        "effects": None,
        "told": None,
    }
    monkeypatch.setattr(guard, "_state", made)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    kept = {
        name: module for name, module in sys.modules.items() if name.partition(".")[0] in drivers._CHANGES
    }
    for name in kept:
        monkeypatch.delitem(sys.modules, name)
    before = set(sys.modules)
    drivers.install()
    drivers.install()  # the second changes nothing
    yield made
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in drivers._CHANGES:
            del sys.modules[name]


def refused() -> list[str]:
    return [one["target"] for one in guard.refused()]


@pytest.mark.parametrize(
    ("dsn", "options", "target"),
    [
        ("postgresql://u@db:6000/shop", {}, "db:6000"),
        ("host=10.0.0.1 dbname=shop", {}, "10.0.0.1:5432"),
        ("dbname=shop", {"host": "db"}, "db:5432"),
        ("host=127.0.0.1,10.0.0.1 port=5433", {}, "10.0.0.1:5433"),
        ("", {"hostaddr": "10.0.0.1", "host": "db", "port": 5433}, "10.0.0.1:5433"),
        ("dbname=shop", {}, "the local socket of PostgreSQL:5432"),
    ],
)
@pytest.mark.usefixtures("state")
def test_libpq(dsn: str, options: dict[str, Any], target: str) -> None:
    import psycopg
    import psycopg2

    for connect in (psycopg2.connect, psycopg.connect, psycopg.Connection.connect):
        with pytest.raises(ConnectionRefusedError, match="refuses this connection while it tests"):
            connect(dsn, **options)
        assert refused() == [target]
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(psycopg.AsyncConnection.connect(dsn, **options))
    assert refused() == [target]


@pytest.mark.usefixtures("state")
def test_libpq_where_it_is_allowed() -> None:
    import psycopg
    import psycopg2

    for connect in (psycopg2.connect, psycopg.connect):
        with pytest.raises(Exception, match=r"127\.0\.0\.1.*port 5433|port 5433.*127\.0\.0\.1"):
            connect("host=127.0.0.1 port=5433 connect_timeout=2")
    assert refused() == []


@pytest.mark.usefixtures("state")
def test_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    import uvloop

    async def connect() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(ConnectionRefusedError, match="refuses this connection"):
            await loop.create_connection(asyncio.Protocol, "10.0.0.1", 80)
        with pytest.raises(ConnectionRefusedError, match="refuses this connection"):
            await loop.create_unix_connection(asyncio.Protocol, "/run/db")
        with pytest.raises(ConnectionRefusedError, match="refuses this connection"):
            await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("10.0.0.1", 53))
        made = socket.socket()
        made.setblocking(False)
        with made, pytest.raises(ConnectionRefusedError, match="refuses this connection"):
            await loop.sock_connect(made, ("10.0.0.1", 81))
        assert refused() == ["10.0.0.1:80", "/run/db", "10.0.0.1:53", "10.0.0.1:81"]
        with pytest.raises(OSError, match="onnect"):  # nobody is there, and that is the system's answer
            await loop.create_connection(asyncio.Protocol, "127.0.0.1", 5433)
        assert refused() == []

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(connect())


def test_what_cannot_be_read_is_allowed_by_name(
    tmp_path: Path, state: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyodbc.py").write_text("def connect(text):\n    return text\n")
    (tmp_path / "duckdb.py").write_text("def connect(database=':memory:'):\n    return database\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    pyodbc, duckdb = importlib.import_module("pyodbc"), importlib.import_module("duckdb")
    with pytest.raises(ConnectionRefusedError):
        pyodbc.connect("DSN=shop")
    assert refused() == ["pyodbc"]
    state["allowed"] = frozenset({"pyodbc"})
    assert pyodbc.connect("DSN=shop") == "DSN=shop"
    assert duckdb.connect() == ":memory:"
    assert duckdb.connect(str(tmp_path / "a.db")) == str(tmp_path / "a.db")
    with pytest.raises(sqlite3.OperationalError, match="refuses this database"):
        duckdb.connect("/elsewhere/a.db")


@pytest.mark.usefixtures("state")
def test_a_module_that_is_not_there_stays_so() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("pymssql")
