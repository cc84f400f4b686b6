"""The command, called in this process or started as one, on a small backend."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

import pytest
from tests.serving import PATIENCE

from stanchion.cli import main
from stanchion.settings import Settings

MAIN = """
import asyncio

from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

from settings import settings
from stanchion import install

app = FastAPI()
install(app, settings)


@app.get("/")
def root(request: Request) -> dict[str, str]:
    return {"said": "first", "client": request.client.host, "scheme": request.url.scheme}


@app.get("/stream")
async def stream() -> StreamingResponse:
    async def ticks():
        while True:
            yield "data: tick\\n\\n"
            await asyncio.sleep(0.05)

    return StreamingResponse(ticks(), media_type="text/event-stream")
"""
SETTINGS_MODULE = "import stanchion\n\nsettings = stanchion.Settings.load()\n"
REVISION = """
from alembic import op
import sqlalchemy as sa

revision = "0001"
down_revision = None


def upgrade():
    op.create_table("people", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.String))
    op.execute("INSERT INTO people (id, email) VALUES (5, 'ada@example.com')")
"""


@dataclass
class Said:
    """What a call of the command left behind."""

    status: int
    out: str
    err: str


class Call(Protocol):
    """`main()`, with these arguments."""

    def __call__(self, *arguments: str) -> Said: ...


@dataclass
class Server:
    """A started command, its output in files."""

    process: subprocess.Popen[bytes]
    folder: Path
    url: str = ""
    streams: list[http.client.HTTPConnection] = field(default_factory=list)

    @property
    def out(self) -> str:
        return (self.folder / "out.txt").read_text()

    @property
    def err(self) -> str:
        return (self.folder / "err.txt").read_text()

    def get(self, path: str = "/", headers: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
        """GET, again and again until the server listens."""
        address = urlsplit(self.url)
        deadline = time.monotonic() + PATIENCE
        while True:
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE)
            try:
                connection.request("GET", path, headers=dict(headers or {}))
                self.streams.append(connection)
                return connection.getresponse()
            except OSError:
                connection.close()
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def until(self, happened: Callable[[], Any]) -> Any:
        """Wait for something to be true, and return it."""
        deadline = time.monotonic() + PATIENCE
        while not (found := happened()):
            assert time.monotonic() < deadline, f"{self.out}\n{self.err}"
            time.sleep(0.02)
        return found

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Press Ctrl-C, which reaches every process of the terminal; return the status."""
        if how is signal.SIGINT:
            os.killpg(self.process.pid, how)
        else:
            self.process.send_signal(how)
        return self.process.wait(PATIENCE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, empty; no setting is in the environment."""
    directory = tmp_path / "shop"
    directory.mkdir()
    monkeypatch.chdir(directory)
    for name in Settings.model_fields:
        monkeypatch.setenv(name, "")  # what a command sets is taken back, too
        monkeypatch.delenv(name)
    return directory


@pytest.fixture
def backend(folder: Path) -> Path:
    """A small backend in the current directory."""
    (folder / "main.py").write_text(MAIN)
    (folder / "settings.py").write_text(SETTINGS_MODULE)
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "0001_people.py").write_text(REVISION)
    return folder


@pytest.fixture
def call(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Call the command in this process."""

    def call(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["stanchion", *arguments])
        monkeypatch.setattr(sys, "path", sys.path[:])
        for module in ("models", "settings"):
            monkeypatch.setitem(sys.modules, module, None)  # to be put back
            del sys.modules[module]
        capfd.readouterr()
        try:
            main()
            code: Any = 0
        except SystemExit as exc:
            code = exc.code
        out, err = capfd.readouterr()
        if isinstance(code, str):  # the interpreter would print it
            return Said(1, out, f"{err}{code}\n")
        return Said(code or 0, out, err)

    return call


@contextmanager
def _started(folder: Path, arguments: tuple[str, ...], environment: Mapping[str, str]) -> Iterator[Server]:
    def output(name: str) -> IO[bytes]:
        return (folder.parent / name).open("wb")

    with output("out.txt") as out, output("err.txt") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "stanchion.cli", *arguments],
            cwd=folder,
            env={**os.environ, **environment},
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    server = Server(process, folder.parent)
    try:
        yield server
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
        for connection in server.streams:
            connection.close()


class Start(Protocol):
    """The command as a process of its own."""

    def __call__(self, *arguments: str, **environment: str) -> Server: ...


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    """Start the command as a process, which ends with the test."""
    opened = []

    def start(*arguments: str, **environment: str) -> Server:
        context = _started(folder, arguments, environment)
        server = context.__enter__()
        opened.append(context)
        return server

    yield start
    for context in opened:
        context.__exit__(None, None, None)


@pytest.fixture
def dev(start: Start) -> Start:
    """Start `stanchion dev` on a free port, and know its address from what it prints."""

    def dev(*arguments: str, **environment: str) -> Server:
        server = start("dev", "--port", "0", *arguments, **environment)
        serving = re.compile(r"^Serving (\S+)$", re.MULTILINE)
        found = server.until(lambda: serving.search(server.out) or server.process.poll() is not None)
        assert found is not True, server.err
        server.url = found[1]
        return server

    return dev
