"""Two servers of one backend: pages talk to the first, which is ended; the other one writes meanwhile."""

import json
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.backend import Backend, make
from tests.serving import PATIENCE, TEMPLATE, free_port

PASSWORD = "a password of twelve"


class Servers:
    """Both are the app of a folder on one database; who asks is a user with a key of her own."""

    def __init__(self, folder: Path, database_url: str, app: Path = TEMPLATE) -> None:
        self.app = app
        self.first = make(folder, database_url)
        self.other = Backend(f"http://127.0.0.1:{free_port()}", database_url, folder, self.first.key)
        self.key, self.key_id = "", 0
        self._stack = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Servers":
        self._start()
        account = {"email": "ada@example.com", "password": PASSWORD}
        self.curl("POST", "/api/users", {**account, "name": "Ada"})
        made = self.curl("POST", "/api/keys", account)
        self.key, self.key_id = made["key"], made["id"]
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        self._process = self._stack.enter_context(self.first.serving(folder=self.app))

    def without(self, write: Callable[[Backend], object], *, killed: bool) -> None:
        """End the first server, with -9 or in good order, let the other one write, and start it again."""
        assert self._process is not None
        if killed:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait(PATIENCE)
        self._stack.close()
        with self.other.serving(folder=self.app):
            write(self.other)
        self._start()

    def curl(self, method: str, path: str, body: object = None, at: Backend | None = None) -> Any:
        """Ask with curl itself, as the user, and return the JSON of the answer; None where it has no body."""
        command = ["curl", "--silent", "--show-error", "--fail-with-body", "--request", method]
        for header in ("Content-Type: application/json", f"X-API-Key: {self.key}")[: 2 if self.key else 1]:
            command += ["--header", header]
        if body is not None:
            command += ["--data", json.dumps(body)]
        url = (at or self.first).url + path
        done = subprocess.run([*command, url], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout else None

    def add(self, title: str, at: Backend | None = None) -> str:
        """Make a todo, and return its path."""
        made = self.curl("POST", "/api/todos", {"title": title}, at)
        return f"/api/todos/{made['id']}"
