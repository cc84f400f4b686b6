"""The repository itself: its locks, its scripts, and the files that a visitor looks for."""

import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import stanchion

ROOT = Path(__file__).parents[1]
LOCKS = sorted((ROOT / "requirements").iterdir())
SCRIPTS = sorted([*(ROOT / "scripts").glob("*.sh"), ROOT / ".ci/run"])
SOURCED = {"environment.sh"}

pin = re.compile(r"^(?P<pin>(?P<name>[a-z0-9-]+)==[^ ]+( ; [^\\]+)?) \\$")
hash_of_pin = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def pins(lock: str) -> list[str]:
    """Return the pins of a lock, each with its marker and without its hashes."""
    lines = (ROOT / "requirements" / f"{lock}.txt").read_text().splitlines()
    return [match["pin"].strip() for line in lines if (match := pin.match(line))]


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_locks_are_those_that_the_scripts_name() -> None:
    assert [lock.stem for lock in LOCKS] == ["browser", "build", "dev", "docs", "peers", "runtime", "suite"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_holds_pins_and_their_hashes_and_nothing_else(lock: Path) -> None:
    lines = [line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#")]
    assert lines
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        assert pin.match(line) or hash_of_pin.match(line), line
        assert line.endswith("\\") == following.startswith(" "), line


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_holds_no_address_and_no_path(lock: Path) -> None:
    assert "://" not in lock.read_text()
    assert " /" not in lock.read_text()
    assert lock.read_text().splitlines()[1] == "#    scripts/lock.sh"


def test_the_locks_agree_so_that_one_environment_holds_them_all() -> None:
    """In name and version: a marker is wider where more packages ask for the same one."""
    locked = {lock.stem: {one.partition(" ;")[0] for one in pins(lock.stem)} for lock in LOCKS}
    assert locked["runtime"] < locked["dev"]
    assert locked["build"] < locked["dev"]
    names = {one.partition("==")[0] for one in locked["dev"]}
    for beside in ("browser", "docs", "peers"):
        assert {one for one in locked[beside] if one.partition("==")[0] in names} <= locked["dev"]
    names = {one.partition("==")[0] for one in locked["runtime"]}
    assert {one for one in locked["suite"] if one.partition("==")[0] in names} <= locked["runtime"]


def test_what_builds_the_project_is_what_is_locked() -> None:
    assert set(project()["build-system"]["requires"]) <= set(project()["dependency-groups"]["build"])


def test_the_template_is_pinned_as_the_runtime_is() -> None:
    first, *others = (ROOT / "src/stanchion/template/requirements.txt").read_text().splitlines()
    assert first == "stanchion[postgres]"
    assert others == pins("runtime")


def test_the_version_has_one_source() -> None:
    """The package; pyproject.toml reads it there, and the newest release of CHANGELOG.md is this one."""
    assert "version" not in project()["project"]
    assert project()["project"]["dynamic"] == ["version"]
    assert project()["tool"]["hatch"]["version"] == {"path": "src/stanchion/__init__.py"}
    released = re.findall(
        r"^## (\d\S*) - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert released[0] == stanchion.__version__


def test_there_is_no_other_lock() -> None:
    assert not (ROOT / "uv.lock").exists()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_can_be_run(script: Path) -> None:
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    if script.name not in SOURCED:
        assert os.access(script, os.X_OK)
        assert script.read_text().startswith("#!/usr/bin/env bash\n")
        assert "\nset -euo pipefail\n" in script.read_text()


@pytest.mark.parametrize(
    "name",
    [
        "AGENTS.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "README.md",
        "docs/decisions",
    ],
)
def test_what_a_visitor_looks_for_is_there(name: str) -> None:
    assert (ROOT / name).exists()


def test_an_interpreter_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    """An old Python, and one without venv, before anything is made."""
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    for name in ("environment.sh", "run_dev.sh"):
        (scripts / name).write_text((ROOT / "scripts" / name).read_text())
    old = tmp_path / "old"
    old.write_text('#!/bin/sh\ncase "$2" in *exit*) exit 1 ;; *) echo 3.9 ;; esac\n')
    bare = tmp_path / "bare"
    bare.write_text('#!/bin/sh\ncase "$2" in *venv*) exit 1 ;; *exit*) exit 0 ;; *) echo 3.12 ;; esac\n')
    for python, words in [
        (tmp_path / "none", "does not run here: install Python 3.11 or later"),
        (old, "is Python 3.9, and Stanchion needs 3.11 or later"),
        (bare, "has no venv module"),
    ]:
        if python.exists():
            python.chmod(0o755)
        ran = subprocess.run(
            ["bash", scripts / "run_dev.sh"],
            env={"PATH": os.environ["PATH"], "PYTHON": str(python)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
        assert words in ran.stderr
        assert not (tmp_path / ".dev").exists()


PYTHON = """#!/bin/sh
case "$1 $2" in
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip") echo "$@" >>"$PIP_RAN" ;;
"-c "*) exec REAL "$@" ;;
esac
"""
"""An interpreter whose environments are empty, and whose pip only notes what it was asked for."""


def test_the_environment_is_told_of_only_when_it_is_made(tmp_path: Path) -> None:
    for folder in ("scripts", "requirements", "src/stanchion"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("scripts/environment.sh", "pyproject.toml", "src/stanchion/__init__.py"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    for lock in ("build", "runtime", "dev"):
        (tmp_path / f"requirements/{lock}.txt").write_text(lock)
    python, ran = tmp_path / "python", tmp_path / "ran"
    python.write_text(PYTHON.replace("REAL", sys.executable))
    python.chmod(0o755)

    def told(*locks: str) -> str:
        """Make the environment, with the locks; return what is said."""
        ran.write_text("")
        command = ["bash", "-ec", '. scripts/environment.sh "$@"', "demo.sh", *locks]
        environment = {**os.environ, "PYTHON": str(python), "PIP_RAN": str(ran)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        return done.stderr

    made = "demo.sh: making the environment in .dev/venv ({}; about half a minute) ...\n"
    assert told("runtime") == made.format("once")
    assert "requirements/runtime.txt" in ran.read_text()
    assert told("runtime") == ran.read_text() == ""
    assert told("runtime", "dev") == "demo.sh: adding to the environment in .dev/venv: dev ...\n"
    assert "requirements/dev.txt" in ran.read_text()
    for locks in (("runtime",), ("runtime", "dev")):
        assert told(*locks) == ran.read_text() == ""
    (tmp_path / "requirements/dev.txt").write_text("changed")
    assert told("runtime", "dev") == made.format("again: it is not what the locks name")
    assert told("runtime", "dev") == ""


def test_a_taken_port_is_advised_as_the_script_is_called(tmp_path: Path) -> None:
    """`stanchion dev` is not what was typed, and not on the person's PATH."""
    (tmp_path / "src").symlink_to(ROOT / "src")
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / "run_dev.sh").write_text((ROOT / "scripts" / "run_dev.sh").read_text())
    (scripts / "environment.sh").write_text('root=$PWD PATH=$root/bin:$PATH\nmkdir "$root/.dev"\n')
    command = tmp_path / "bin" / "stanchion"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m stanchion.cli "$@"\n')
    command.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = subprocess.run(
            ["bash", "scripts/run_dev.sh"],
            cwd=tmp_path,
            env={**os.environ, "PORT": str(port)},
            capture_output=True,
            text=True,
            check=False,
        )
    advice = f"Port {port} is taken: try `PORT={port + 1} scripts/run_dev.sh`.\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", advice)
