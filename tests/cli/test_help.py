"""--help and --version: without the libraries that the command drives; benchmarks/startup.py times it."""

import subprocess
import sys
from typing import Any

import pytest

import stanchion

COMMANDS = [
    "",
    "init",
    "add",
    "dev",
    "run",
    "worker",
    "jobs",
    "jobs list",
    "jobs dead",
    "jobs show",
    "jobs retry",
    "jobs cancel",
    "migrate",
    "migrate new",
    "keys",
    "keys create",
    "keys list",
    "keys revoke",
    "skill",
    "skill install",
    "skill path",
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


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_little(command: str) -> None:
    arguments = [sys.executable, "-c", LOADED, *command.split(), "--help"]
    said = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert said.startswith("Usage: ")
    assert said.endswith("LOADED\n")


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
