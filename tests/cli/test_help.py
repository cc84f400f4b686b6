"""--help and --version: at once, and without the libraries that the command drives."""

import subprocess
import sys
import time
from typing import Any

import pytest

import stanchion

COMMANDS = [
    "",
    "init",
    "dev",
    "run",
    "migrate",
    "migrate new",
    "keys",
    "keys create",
    "keys list",
    "keys revoke",
]
HEAVY = ["fastapi", "starlette", "sqlalchemy", "sqlmodel", "alembic", "uvicorn", "structlog", "asyncio"]

LOADED = f"""
import sys
from stanchion.cli import main
try:
    main()
except SystemExit:
    print("LOADED", *set({HEAVY}) & set(sys.modules))
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_little(command: str) -> None:
    arguments = [sys.executable, "-c", LOADED, *command.split(), "--help"]
    said = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert said.startswith("Usage: ")
    assert said.endswith("LOADED\n")


def test_help_is_there_at_once() -> None:
    times = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "stanchion.cli", "--help"], check=True, stdout=subprocess.DEVNULL
        )
        times.append(time.perf_counter() - started)
    assert min(times) < 0.6  # the least: a test runs beside others


def test_the_version(call: Any) -> None:
    said = call("--version")
    assert (said.status, said.out) == (0, f"stanchion {stanchion.__version__}\n")


@pytest.mark.parametrize(
    "arguments", ["nothing", "dev --prot 1", "dev --port 65536", "dev --port x", "migrate new"]
)
def test_wrong_usage(call: Any, arguments: str) -> None:
    said = call(*arguments.split())
    assert said.status == 2
    assert "Error: " in said.err
    assert "Traceback" not in said.err


def test_what_is_typed_alone_is_helped(call: Any) -> None:
    assert "dev" in call().err + call().out
