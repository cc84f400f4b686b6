"""A server in a process of its own, and the lines that it prints."""

import json
import os
import re
import shlex
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

PATIENCE = 60.0
"""Seconds until what does not come is given up."""


class DemoError(Exception):
    """What is to be shown is not so; the message says what was there instead."""


class Server:
    """`main:app` of a folder, where it answers, and what it prints."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._lines = iter(process.stdout or ())
        self.url = self.line(r"Uvicorn running on (http://\S+)")

    def line(self, pattern: str) -> str:
        """Wait for a line that the pattern finds something in, and return its group, or all of it."""
        said = []
        for line in self._lines:
            said.append(line)
            if match := re.search(pattern, line):
                return match[match.lastindex or 0]
        raise DemoError(f"the server ended: {''.join(said)}")

    def kill(self) -> None:
        """Send it SIGKILL (kill -9), which no process can catch."""
        self._process.kill()
        self._process.wait()


@contextmanager
def serving(app: Path, folder: Path, **variables: str) -> Iterator[Server]:
    """Serve the app of one folder in another one, with these variables, on a free port, until the end."""
    command = [sys.executable, "-m", "uvicorn", "main:app", "--app-dir", str(app), "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield Server(process)
        finally:
            process.kill()


def post(url: str, body: Any, **headers: str) -> tuple[int, Any, dict[str, str]]:
    """Send JSON, and return the answer's status, JSON and headers."""
    sent = {"Content-Type": "application/json", **headers}
    return _asked(Request(url, json.dumps(body).encode(), sent))


def run(line: str, server: Server, **variables: str) -> tuple[int, Any]:
    """Do what a line with curl says, of a server that may have another address; curl need not be there.

    Returns the answer's status and JSON.
    """
    for name, value in variables.items():
        line = line.replace(f"${name}", value)
    parser = ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-i", action="store_true")
    parser.add_argument("-X")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d", type=str.encode)
    said = parser.parse_args(shlex.split(line)[1:])
    headers = dict(header.split(": ", 1) for header in said.H)
    url = re.sub(r"^http://127\.0\.0\.1:\d+", server.url, said.url)
    status, answer, _ = _asked(Request(url, said.d, headers, method=said.X))
    return status, answer


def _asked(request: Request) -> tuple[int, Any, dict[str, str]]:
    try:
        with urlopen(request, timeout=PATIENCE) as response:
            return response.status, json.load(response), dict(response.headers)
    except HTTPError as refused:
        return refused.code, json.load(refused), dict(refused.headers)
