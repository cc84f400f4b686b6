"""For tests with a server of their own: a port, a process, and the lines that it prints, pasted."""

import asyncio
import json
import os
import random
import shlex
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import httpx2
from starlette.types import ASGIApp
from uvicorn import Config, Server

import stanchion
from stanchion.settings import Settings

TEMPLATE = Path(stanchion.__file__).parent / "template"
PATIENCE = 60.0
"""Seconds until a test gives up on another process; none should take a tenth of it."""


def free_port() -> int:
    """Return a port on which nobody listens.

    One below those that the system gives to whoever asks for any: it stays free until it is used.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def environment(**settings: str) -> dict[str, str]:
    """Return the environment of this process with these settings, and no others of a backend."""
    return {name: value for name, value in os.environ.items() if name not in Settings.model_fields} | settings


@contextmanager
def uvicorn(
    app: str, folder: Path, *, port: int, log: Path, **settings: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Serve `app`, such as "main:app", of `folder` beside its `log`; stop it, by its id, at the end.

    What is called /health has answered when the block begins.
    """
    command = [sys.executable, "-m", "uvicorn", app, "--app-dir", str(folder), "--port", str(port)]
    with log.open("a") as file:
        process = subprocess.Popen(
            command, cwd=log.parent, env=environment(**settings), stdout=file, stderr=file
        )
    try:
        _wait(process, f"http://127.0.0.1:{port}/health", log)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        finally:
            process.kill()


def client(url: str) -> httpx2.Client:
    """Return a client without TLS: to read the certificates takes it longer than any request here."""
    return httpx2.Client(base_url=url, timeout=PATIENCE, verify=False)


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    with client("") as caller:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                caller.get(url, timeout=1).raise_for_status()
                return
            except httpx2.HTTPError:
                time.sleep(0.02)
    raise AssertionError(log.read_text())


def paste(line: str) -> Any:
    """Do what a line with curl says, and return the JSON of the answer. A machine need not have curl."""
    parser = ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-X")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d", type=str.encode)
    command, *words = shlex.split(line)
    assert command == "curl"
    said = parser.parse_args(words)
    headers = dict(header.split(": ", 1) for header in said.H)
    method = said.X or ("GET" if said.d is None else "POST")
    with urlopen(Request(said.url, said.d, headers, method=method), timeout=PATIENCE) as response:
        return json.load(response)


@asynccontextmanager
async def served(app: ASGIApp, **options: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Call an app on a real server in this process, which leaves logging alone, as `stanchion run` has it."""
    server = Server(Config(app, port=0, log_config=None, **options))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as caller:
                yield caller
        finally:
            server.should_exit = True
