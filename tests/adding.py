"""Projects to which `stanchion add` adds, and what is asked of them then."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.actions import add_actions

import stanchion
from stanchion.scaffold import Origin, Project
from stanchion.secret import new_key

REPOSITORY = Path(__file__).parents[1]
INVOICE = ("invoice", "number:str", "total:decimal", "due:date", "paid:bool", "customer:ref:users")
RUFF = """
line-length = 110
src = ["."]

[lint]
select = ["E", "F", "I", "W", "B", "UP", "SIM", "RUF", "PT", "RET"]
ignore = ["RET505"]

[lint.isort]
known-first-party = ["stanchion"]
"""


DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


def make(folder: Path) -> Path:
    project = Project.plan(str(folder), database="sqlite", origin=Origin(stanchion.__version__))
    project.create(api_key=new_key())
    add_actions(folder)
    return folder


def run(*arguments: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program that has to succeed, and return what it prints."""
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def command(*words: str, cwd: Path, **environment: str) -> str:
    return run(sys.executable, "-m", "stanchion.cli", *words, cwd=cwd, **environment)


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def add_to(path: Path, before: str, text: str) -> None:
    """Write a text after another."""
    content = path.read_text()
    assert before in content
    path.write_text(content.replace(before, before + text))


def migrated(shop: Path, **environment: str) -> None:
    command("migrate", cwd=shop, **environment)
    said = command("migrate", "--check", cwd=shop, **environment)
    assert said == "The schema is current, and the models agree with it.\n"


def lint(shop: Path, temporary: Path) -> None:
    (temporary / "ruff.toml").write_text(RUFF)
    ruff = [sys.executable, "-m", "ruff"]
    run(*ruff, "check", "--no-cache", "--config", temporary / "ruff.toml", ".", cwd=shop)
    run(*ruff, "format", "--check", "--no-cache", "--config", temporary / "ruff.toml", ".", cwd=shop)
    mypy: list[str | Path] = [sys.executable, "-m", "mypy", "--config-file", REPOSITORY / "pyproject.toml"]
    # What scripts/check.sh keeps of the same libraries: to read them anew takes half a minute.
    known = REPOSITORY / ".mypy_cache" / "template"
    options: list[str | Path] = ["--cache-dir", known, "--explicit-package-bases", "."]
    assert "no issues found" in run(*mypy, *options, cwd=shop, MYPYPATH=".")


def passed(shop: Path, database: str, *files: str) -> int:
    arguments = [
        "-m",
        "pytest",
        "-p",
        "anyio",
        "-p",
        "no:cacheprovider",
        "-q",
        "--database",
        database,
        *files,
    ]
    # Without the plugins that only the repository has.
    said = run(sys.executable, *arguments, cwd=shop, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    found = re.search(r"^(\d+) passed in", said, re.MULTILINE)
    assert found, said
    return int(found[1])
