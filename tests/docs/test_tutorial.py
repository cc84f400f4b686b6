"""docs/tutorial.md: its commands and code run as they stand there, and its curl lines answer what it says."""

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest
from tests.pages import answered, blocks, shown
from tests.serving import client, environment, free_port

PAGE = Path(__file__).parents[2] / "docs/tutorial.md"
ELSEWHERE = {
    "python3 -m venv": "the tests have an environment",
    "pytest": "test_added.py runs the tests of what `add` writes",
    "stanchion check": "scripts/gate.py checks a new project",
    "createdb": "the fixture makes it",
}
"""Commands that are not run here, and why."""
PATIENCE = 60


class Terminal:
    """The reader: a folder, an environment, and servers that run until the next begins."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder, self.url = folder, database_url
        self.variables: dict[str, str] = {}
        self.exported: dict[str, str] = {}
        self.ports = {port: free_port() for port in (8000, 8001, 8002)}
        self.servers = ExitStack()

    def type(self, line: str) -> None:
        """Do what a line says that is not curl's."""
        if any(line.startswith(words) for words in ELSEWHERE):
            return
        match shlex.split(line):
            case ["stanchion", "init", name, "&&", *after]:
                self.type(f"stanchion init {name}")
                self.type(shlex.join(after))
            case ["cd", where]:
                self.folder /= where
            case [".", file]:
                text = (self.folder / file).read_text()
                self.variables |= dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
            case ["export", given]:
                assert given == "DATABASE_URL=postgresql://localhost/shop"
                self.exported["DATABASE_URL"] = self.url
            case ["stanchion", "dev"]:
                self.servers.close()
                self.servers.enter_context(self.serving("dev", "--no-reload", port=8000))
            case ["stanchion", "run", "--port", port]:
                self.servers.enter_context(self.serving("run", port=int(port)))
            case ["stanchion", *words]:
                if words[0] == "add":  # the reader stops the server first
                    self.servers.close()
                command = [sys.executable, "-m", "stanchion.cli", *words]
                done = subprocess.run(
                    command, cwd=self.folder, env=self.known(), capture_output=True, text=True
                )
                assert done.returncode == 0, done.stderr
            case words:
                raise AssertionError(f"nobody knows how to run {words}")

    def curl(self, line: str) -> object:
        """Do what a line with curl says, at the ports that were free."""
        for port, free in self.ports.items():
            line = line.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
        return answered(line.replace("$API_KEY", self.variables["API_KEY"]))

    def known(self) -> dict[str, str]:
        """Return the environment of a command: what was exported is in it, what `.env` says is not."""
        return environment(**self.exported)

    @contextmanager
    def serving(self, *words: str, port: int) -> Iterator[None]:
        address = f"http://127.0.0.1:{self.ports[port]}"
        command = [sys.executable, "-m", "stanchion.cli", *words, "--port", str(self.ports[port])]
        log = self.folder.parent / f"{port}.log"
        with log.open("w") as file:
            process = subprocess.Popen(command, cwd=self.folder, env=self.known(), stdout=file, stderr=file)
        try:
            deadline = time.monotonic() + PATIENCE
            with client(address) as caller:
                while not is_up(caller):
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < deadline, log.read_text()
                    time.sleep(0.05)
            yield
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()


def is_up(caller: httpx2.Client) -> bool:
    try:
        return caller.get("/health", timeout=1).is_success
    except httpx2.HTTPError:
        return False


@pytest.fixture
def terminal(tmp_path: Path, postgresql_url: str) -> Iterator[Terminal]:
    reader = Terminal(tmp_path, postgresql_url)
    with reader.servers:
        yield reader


@pytest.mark.slow
def test_the_tutorial(terminal: Terminal) -> None:
    found = blocks(PAGE)
    assert len(found) == PAGE.read_text(encoding="utf-8").count("```") // 2
    answer: object = None
    for kind, text in found:
        if kind == "python":
            head, _, code = text.partition("\n")
            path = terminal.folder / head.removeprefix("# ").removesuffix(", add")
            path.write_text(f"{path.read_text()}\n\n{code}")
        elif kind == "json":
            wanted = json.loads(text)
            assert shown(answer, wanted) == wanted
        for line in text.splitlines() if kind == "sh" else ():
            if line.startswith("curl "):
                answer = terminal.curl(line)
            else:
                terminal.type(line)
