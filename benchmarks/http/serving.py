"""A subject as a real server: started on its core over its database, and stopped by its id."""

import http.client
import json
import os
import random
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.http.catalogue import Subject
from benchmarks.http.cores import Cores, pinning
from benchmarks.http.databases import Original

from stanchion.settings import Settings

_PATIENCE = 60.0
_FOREIGN = re.compile(
    r"PYTHONPATH|WEB_CONCURRENCY|FORWARDED_ALLOW_IPS|GUNICORN_.*|UVICORN_.*|LITESTAR_.*|DJANGO_.*"
)
"""What servers read from the environment of whoever starts the benchmark, and no subject may."""


class DidNotStartError(Exception):
    """A subject does not answer: its last words."""


@dataclass(frozen=True)
class Answer:
    """A status, and the JSON of the body."""

    status: int
    json: Any


@dataclass(frozen=True)
class Server:
    """A running subject."""

    subject: Subject
    port: int
    pid: int
    headers: dict[str, str]

    def ask(self, method: str, path: str, body: Any = None) -> Answer:
        """Send one request, and read its JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        headers = {"Content-Type": "application/json", **self.headers} if body else self.headers
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            content = response.read()
            is_json = "json" in (response.getheader("Content-Type") or "")
            return Answer(response.status, json.loads(content) if is_json else None)
        finally:
            connection.close()


@contextmanager
def serving(
    subject: Subject, database: Original, *, peers: str, cores: Cores | None, extra: tuple[str, ...] = ()
) -> Iterator[Server]:
    """Start a subject and stop it at the end; it has answered when the block begins.

    `peers` is the interpreter of the peers; `extra` are options more for its command. Raises
    DidNotStartError.
    """
    port = free_port()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in Settings.model_fields and not _FOREIGN.fullmatch(name)
    } | subject.environment(database)
    if subject.is_ours and "PYTHONPATH" in os.environ:
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*subject.arguments(port, peers), *extra],
                cwd=folder,
                env=environment,
                stdout=file,
                stderr=file,
                preexec_fn=pinning(cores),
            )
        server = Server(subject, port, process.pid, subject.headers(database))
        try:
            _wait(server, process, log)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            finally:
                process.kill()


def free_port() -> int:
    """Return a port on which nobody listens, below those that the system gives to whoever asks for any."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _wait(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            answer = server.ask("GET", "/api/todos/1")
        except OSError:
            time.sleep(0.05)
            continue
        if answer.status < 500:
            return
        break
    raise DidNotStartError(f"{server.subject.name}:\n{log.read_text(errors='replace')[-2000:]}")
