"""`stanchion init`: what it prints, and where it refuses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stanchion.cli.commands import app
from stanchion.scaffold import Installation, Origin

WHEEL = Origin("0.3.0", "file:///srv/stanchion.whl")


WHOLE = " This environment has all that it needs."


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, and an environment that is not active and lacks what the tests of a project need."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setenv("PATH", os.defpath)
    monkeypatch.setattr(Origin, "installed", lambda: WHEEL)
    monkeypatch.setattr(Installation, "is_whole", False)
    return tmp_path


@pytest.fixture
def whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, where nothing is lacking."""
    monkeypatch.setattr(Installation, "is_whole", True)
    return folder


def lines(*arguments: str, whole: str = "") -> list[str]:
    """Run the command, and return the lines that it says to type."""
    result = CliRunner().invoke(app, ["init", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    said, _, rest = result.stdout.partition("\n\n")
    assert said.endswith(f"is made, with its first API_KEY in .env.{whole} Next:")
    typed, _, where = rest.partition("\n\n")
    assert where == (
        f"`pytest` runs its tests.\n\nIt takes Stanchion from {Origin.installed().url}: where that is not, "
        "name another in pyproject.toml and requirements.txt.\n"
    )
    assert all(line.startswith("    ") for line in typed.splitlines())
    return [line.strip() for line in typed.splitlines()]


def test_the_next_lines(folder: Path) -> None:
    assert lines("shop") == [
        "cd shop",
        'python3 -m venv .venv && . .venv/bin/activate && pip install -e ".[dev]"',
        "stanchion dev",
    ]
    key = (folder / "shop/.env").read_text().partition("API_KEY=")[2].strip()
    assert key.startswith("st_")
    assert len(key) == 55


def test_in_an_active_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    assert lines("shop") == ["cd shop", 'pip install -e ".[dev]"', "stanchion dev"]
    monkeypatch.setattr(Origin, "installed", lambda: Origin("0.3.0", "file:///src", editable=True))
    assert lines("other")[1].startswith("python3 -m venv .venv && ")


def test_in_an_environment_that_has_all_there_is_nothing_to_install(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Installation, "is_on_path", True)
    assert lines("shop", whole=WHOLE) == ["cd shop", "stanchion dev"]
    monkeypatch.setattr(Origin, "installed", lambda: Origin("0.3.0", "file:///src", editable=True))
    assert lines("other", whole=WHOLE) == ["cd other", "stanchion dev"]


def test_in_an_environment_that_has_all_and_is_not_active(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Installation(whole / "shop/.venv", whole / "shop/.venv/bin")
    monkeypatch.setattr(Installation, "running", lambda: own)
    own.scripts.mkdir(parents=True)
    (own.prefix / "pyvenv.cfg").touch()
    (own.scripts / "activate").touch()
    assert lines("shop", whole=WHOLE) == ["cd shop", ". .venv/bin/activate", "stanchion dev"]
    assert lines("other", whole=WHOLE)[1] == f". {own.scripts}/activate"
    (own.scripts / "activate").unlink()  # nothing would make its commands known
    assert lines("third")[1].startswith("python3 -m venv .venv && ")


def test_in_the_current_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "shop").mkdir()
    monkeypatch.chdir("shop")
    assert lines(".")[0].startswith("python3 -m venv")
    assert (folder / "shop/main.py").is_file()


def test_a_path_with_a_space(folder: Path) -> None:
    (folder / "my projects").mkdir()
    assert lines("my projects/shop")[0] == "cd 'my projects/shop'"


def test_folders_above_that_were_not_there(folder: Path) -> None:
    result = CliRunner().invoke(app, ["init", "a/b/shop"], catch_exceptions=False)
    assert result.stdout.startswith(
        f"There was no folder {folder}/a/b: it is made, too.\nshop is made, with "
    )
    assert (folder / "a/b/shop/main.py").is_file()


def test_postgresql(folder: Path) -> None:
    assert lines("shop", "--database", "postgresql")[2:] == ["createdb -h localhost shop", "stanchion dev"]
    assert "DATABASE_URL=postgresql://localhost/shop\n" in (folder / "shop/.env").read_text()


def test_an_unknown_database(folder: Path) -> None:
    result = CliRunner().invoke(app, ["init", "shop", "--database", "oracle"])
    assert result.exit_code == 2
    assert not list(folder.iterdir())


def stanchion(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does."""
    started = [sys.executable, "-m", "stanchion.cli", *arguments]
    return subprocess.run(started, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("full", "{folder}/full is not empty: choose another name, or an empty folder."),
        ("full/file/shop", "{folder}/full/file is no folder: choose another place."),
        ("fastapi", "'fastapi' is the name of a package that every project needs: choose another."),
    ],
)
def test_refusals_are_one_sentence(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    result = stanchion(tmp_path, "init", name)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == sentence.format(folder=tmp_path) + "\n"
    assert {path.name for path in tmp_path.rglob("*")} == {"full", "file"}
