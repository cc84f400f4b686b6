"""The agent as a process: started in the project's interpreter, spoken to in lines of JSON."""

import json
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

_PATIENCE = 3.0
"""Seconds until an app that does not end is ended."""
_LONGEST = 90.0
"""Seconds for which one answer is waited for: an import, a migration."""
_AGENT = Path(__file__).with_name("agent")
_START = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location(
    "_stanchion_agent", sys.argv[1] + "/__init__.py", submodule_search_locations=[sys.argv[1]]
)
package = importlib.util.module_from_spec(spec)
sys.modules["_stanchion_agent"] = package
spec.loader.exec_module(package)
sys.path[:] = [path for path in sys.path if path]
importlib.import_module("_stanchion_agent.__main__").main()
"""


class AgentError(Exception):
    """The agent cannot go on: the message says why, with the end of what the process printed."""


class Agent:
    """A process of the project's interpreter, for the app; ended at the end of the block."""

    def __init__(self, python: str, *, directory: Path, environment: Mapping[str, str]) -> None:
        self._command = [python, "-X", "utf8", "-c", _START, str(_AGENT)]
        self._directory, self._environment = directory, environment
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._printed = tempfile.TemporaryFile("w+")
        return self

    def _started(self) -> "subprocess.Popen[str]":
        """Return the process, started when it is first asked for something."""
        if self._process is not None:
            return self._process
        try:
            self._process = subprocess.Popen(  # noqa: S603 (the interpreter that the person named)
                self._command,
                cwd=self._directory,
                env=dict(self._environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._printed,
                encoding="utf-8",
                start_new_session=True,
            )
        except OSError as exc:
            raise AgentError(f"{self._command[0]} cannot be started ({exc.strerror})") from exc
        return self._process

    def __exit__(self, *exception: object) -> None:
        with self._printed:
            if self._process is not None:
                self._end(self._process)

    @staticmethod
    def _end(process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.close()  # the end of the conversation
        with suppress(subprocess.TimeoutExpired):  # a thread of the app's goes on
            process.wait(_PATIENCE)
        with suppress(ProcessLookupError):  # and so may a process that it started
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send a command and return its result. Raises AgentError where it failed, or the process ended."""
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"command": command, "arguments": arguments}) + "\n")
            process.stdin.flush()
            if not select.select([process.stdout], [], [], _LONGEST)[0]:
                os.killpg(process.pid, signal.SIGKILL)
                raise AgentError(
                    f"the app did not answer in {_LONGEST:.0f} seconds: it was asked to {command}"
                )
            line = process.stdout.readline()
        except (BrokenPipeError, ValueError):
            line = ""
        if not line:
            raise AgentError(
                f"the app ended its process while it was asked to {command}: {self.printed[-500:]}"
            )
        answer = json.loads(line)
        if "error" in answer:
            raise AgentError(answer["error"])
        return answer["result"]

    @property
    def printed(self) -> str:
        """Return what the app and its server have printed."""
        file = self._printed.fileno()  # the process writes where this one would seek
        return os.pread(file, os.fstat(file).st_size, 0).decode("utf-8", "replace")
