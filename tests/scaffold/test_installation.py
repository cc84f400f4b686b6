"""The environment that the command runs in: whether it has all, and how one comes to use it."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from stanchion.scaffold import Installation

REQUIRED = [
    "fastapi<0.166,>=0.165",
    "uvloop>=0.23; sys_platform != 'win32'",
    'asyncpg<0.33,>=0.32; extra == "postgres"',
    'pytest<10,>=9.2; extra == "dev"',
    'stanchion[postgres]; extra == "dev"',
    'schemathesis<5; extra == "check"',
]


@pytest.fixture
def required(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Stanchion's metadata asks for, to be changed."""
    lines = list(REQUIRED)
    monkeypatch.setattr(metadata, "requires", lambda _: lines)
    return lines


def with_packages(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    def distribution(name: str) -> str:
        if name not in names:
            raise metadata.PackageNotFoundError(name)
        return name

    monkeypatch.setattr(metadata, "distribution", distribution)


def test_it_is_whole_with_what_the_extras_of_a_project_name(
    monkeypatch: pytest.MonkeyPatch, required: list[str]
) -> None:
    with_packages(monkeypatch, "stanchion", "asyncpg", "pytest")
    assert Installation.running().is_whole
    with_packages(monkeypatch, "stanchion", "asyncpg")
    assert not Installation.running().is_whole
    with_packages(monkeypatch, "stanchion", "pytest")
    assert not Installation.running().is_whole


def test_it_is_not_whole_where_nobody_wrote_down_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, required: list[str]
) -> None:
    required[:] = REQUIRED[:2]
    assert not Installation.running().is_whole

    def not_found(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", not_found)
    assert not Installation.running().is_whole


def test_the_environment_of_the_tests_is_whole() -> None:
    assert Installation.running().is_whole


@pytest.fixture
def made(tmp_path: Path) -> Installation:
    """A real environment, without pip, in a folder with a space."""
    prefix = tmp_path / "my shop/.venv"
    command = [sys.executable, "-m", "venv", "--without-pip", str(prefix)]
    subprocess.run(command, check=True, timeout=60)
    (prefix / "bin/stanchion").write_text("#!/bin/sh\n")
    (prefix / "bin/stanchion").chmod(0o755)
    return Installation(prefix, prefix / "bin")


def test_how_it_is_activated(made: Installation, tmp_path: Path) -> None:
    assert made.activation(made.prefix.parent) == ". .venv/bin/activate"
    line = made.activation(tmp_path)
    assert line == ". 'my shop/.venv/bin/activate'"
    for folder, typed in ((tmp_path, line), (Path("/"), made.activation(tmp_path / "other"))):
        script = f"{typed} && command -v stanchion"
        done = subprocess.run(["/bin/sh", "-c", script], cwd=folder, capture_output=True, text=True)
        assert done.stdout.strip() == str(made.scripts / "stanchion")
    (made.scripts / "activate").unlink()
    assert made.activation(tmp_path) is None


def test_whether_it_is_the_one_that_is_typed(
    made: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.defpath)
    assert not made.is_on_path
    monkeypatch.setenv("PATH", f"{made.scripts}{os.pathsep}{os.defpath}")
    assert made.is_on_path
    # A link to the command alone, as pipx makes it, brings no `pytest` along.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/stanchion").symlink_to(made.scripts / "stanchion")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.defpath}")
    assert not made.is_on_path


def test_whether_pip_installs_into_it(made: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", str(made.prefix))
    assert made.takes_packages
    monkeypatch.setenv("VIRTUAL_ENV", str(made.prefix.parent))
    assert not made.takes_packages
    monkeypatch.delenv("VIRTUAL_ENV")
    assert not made.takes_packages
