"""A real bash for tests of pages: it runs their lines one by one; those with curl come back to be asked."""

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from tests.serving import PATIENCE, client, environment

_CURL = "curl() {{ printf '%s\\0' curl \"$@\" >&{file}; }}"
"""In the place of curl, which a machine need not have."""


class Shell:
    """A bash, and the server that its lines keep in `$SERVER`."""

    def __init__(self, process: "subprocess.Popen[str]", answers: int, url: str, log: Path) -> None:
        self._process, self._answers, self._url, self._log = process, answers, url, log
        self._file = os.fdopen(answers, closefd=False)

    def run(self, line: str) -> str:
        """Run a line, and return the one with curl that it came to, its variables filled in; or nothing.

        What starts the server is waited for until that answers. Raises AssertionError where the line fails.
        """
        words = self._said(line)
        if line.endswith("SERVER=$!"):
            self._wait()
        return shlex.join(words)

    def server(self) -> int:
        """Return the id of the server's process; 0 where there is none."""
        return int(self._said('printf "%s\\0" "${SERVER-0}" >&$ANSWERS')[0])

    def _said(self, line: str) -> list[str]:
        assert self._process.stdin is not None
        self._process.stdin.write(f'{line}\nprintf "%s\\n" "$?" >&$ANSWERS\n')
        self._process.stdin.flush()
        said = self._file.readline()
        *words, status = said.rstrip("\n").split("\0")
        assert status == "0", f"{line}: {status}\n{self._log.read_text()}"
        return words

    def _wait(self) -> None:
        deadline, process = time.monotonic() + PATIENCE, self.server()
        with client("") as caller:
            while time.monotonic() < deadline and _is_there(process):
                try:
                    caller.get(self._url, timeout=1)
                    return
                except httpx2.HTTPError:
                    time.sleep(0.05)
        raise AssertionError(self._log.read_text())


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def shell(folder: Path, url: str, log: Path, **variables: str) -> Iterator[Shell]:
    """Open a bash in a folder; `url` is where its servers answer. At the end the last of them is killed."""
    reading, writing = os.pipe()
    file = {"ANSWERS": str(writing)}
    with (
        log.open("a") as output,
        subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=environment(**variables, **file),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[writing],
            text=True,
        ) as process,
    ):
        os.close(writing)
        made = Shell(process, reading, url, log)
        try:
            made.run(_CURL.format(file=writing))
            yield made
        finally:
            made.run('[ -z "${SERVER-}" ] || kill -9 $SERVER || true')
            process.stdin.close()  # type: ignore[union-attr] # it is a pipe
            process.wait(PATIENCE)
            os.close(reading)
