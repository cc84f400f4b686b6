"""A project in a folder: whole, or not at all."""

import os
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Literal

import pytest

from stanchion.scaffold import Origin, Project, ScaffoldError, environment
from stanchion.scaffold.manifest import FILES
from stanchion.scaffold.project import TEMPLATE
from stanchion.secret import new_key

REGISTRY = Origin("0.3.0")
WHEEL = Origin("0.3.0", "file:///srv/stanchion-0.3.0-py3-none-any.whl")


def create(where: Path, origin: Origin = REGISTRY) -> None:
    Project.plan(str(where), database="sqlite", origin=origin).create(api_key=new_key())


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_it_holds_the_list_and_an_env(tmp_path: Path) -> None:
    create(tmp_path / "shop")
    assert tree(tmp_path) == {f"shop/{file}" for file in (*FILES, ".env")}
    replaced = {
        file for file in FILES if (tmp_path / "shop" / file).read_bytes() != (TEMPLATE / file).read_bytes()
    }
    assert replaced == {".env.example", "README.md", "pyproject.toml", "requirements.txt"}


def test_the_env_is_private(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        create(tmp_path / "shop")
    finally:
        os.umask(before)
    modes = {
        name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("shop", "shop/main.py", "shop/.env")
    }
    assert modes == {"shop": 0o755, "shop/main.py": 0o644, "shop/.env": 0o600}


def test_an_env_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("mine")
    with pytest.raises(FileExistsError):
        environment.write(tmp_path / ".env", database_url="sqlite:///./x.db", api_key=new_key())
    assert (tmp_path / ".env").read_text() == "mine"


@pytest.mark.parametrize(
    ("database", "url"), [("sqlite", "sqlite:///./shop.db"), ("postgresql", "postgresql://localhost/shop")]
)
def test_the_database(tmp_path: Path, database: Literal["sqlite", "postgresql"], url: str) -> None:
    key = new_key()
    Project.plan(str(tmp_path / "shop"), database=database, origin=REGISTRY).create(api_key=key)
    lines = (tmp_path / "shop/.env").read_text().splitlines()
    assert lines[1:] == ["ENVIRONMENT=development", f"DATABASE_URL={url}", f"API_KEY={key}"]
    example = (tmp_path / "shop/.env.example").read_text().splitlines()
    assert f"DATABASE_URL={url}" in example
    assert "API_KEY=" in example


def test_the_name_and_the_origin(tmp_path: Path) -> None:
    create(tmp_path / "Corner-Shop.2", WHEEL)
    folder = tmp_path / "Corner-Shop.2"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "Corner-Shop.2"
    assert project["dependencies"] == [f"stanchion[postgres] @ {WHEEL.url}"]
    assert project["optional-dependencies"]["dev"] == [f"stanchion[dev] @ {WHEEL.url}"]
    assert project["optional-dependencies"]["check"] == [f"stanchion[check] @ {WHEEL.url}"]
    pins = (folder / "requirements.txt").read_text().splitlines()
    assert pins[0] == project["dependencies"][0]
    assert not [pin for pin in pins[1:] if "==" not in pin]
    assert (folder / "README.md").read_text().startswith("# Corner-Shop.2\n")
    leftovers = [file for file in FILES if "todo-backend" in (folder / file).read_text()]
    assert not leftovers


def test_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    inode = Path.cwd().stat().st_ino
    project = Project.plan(".", database="sqlite", origin=REGISTRY)
    project.create(api_key=new_key())
    assert project.name == "shop"
    assert tree(tmp_path / "shop") == {*FILES, ".env"}
    assert (tmp_path / "shop").stat().st_ino == inode
    assert {path.name for path in tmp_path.iterdir()} == {"shop"}


def test_around_its_own_environment(tmp_path: Path) -> None:
    own = tmp_path / "shop/.venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(own)], check=True, timeout=60)
    create(tmp_path / "shop")
    assert (own / "bin/python").exists()
    made = {name for name in tree(tmp_path / "shop") if not name.startswith(".venv/")}
    assert made == {*FILES, ".env"}


def test_a_folder_that_is_only_called_like_an_environment(tmp_path: Path) -> None:
    (tmp_path / "shop/.venv").mkdir(parents=True)
    with pytest.raises(ScaffoldError, match="is not empty: choose"):
        create(tmp_path / "shop")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-shop",
        "shop-",
        ".shop",
        "my shop",
        "café",
        "shop\n",
        "a" * 64,
        "a'b",
        "stanchion",
        "Typing.Extensions",
        "pytest",
    ],
)
def test_names_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ScaffoldError, match=r"cannot be a project's name: use|that every project needs: choose"
    ):
        create(Path(name)) if name else Project.plan("", database="sqlite", origin=REGISTRY)
    assert not list(tmp_path.iterdir())


def test_folders_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/.keep").touch()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    before = tree(tmp_path)
    for name, reason in {
        "full": "is not empty: choose",
        "file": "is no folder: choose",
        "link": "is no folder: choose",
        "file/shop": "file is no folder: choose another place",
        "file/new/shop": "file is no folder: choose another place",
        "link/shop": "link is no folder: choose another place",
    }.items():
        with pytest.raises(ScaffoldError, match=reason):
            create(tmp_path / name)
    assert tree(tmp_path) == before


def test_the_folders_above_are_made(tmp_path: Path) -> None:
    project = Project.plan(str(tmp_path / "a/b/shop"), database="sqlite", origin=REGISTRY)
    assert project.missing == [tmp_path / "a", tmp_path / "a/b"]
    project.create(api_key=new_key())
    assert tree(tmp_path) == {f"a/b/shop/{file}" for file in (*FILES, ".env")}
    assert project.missing == []


@pytest.mark.parametrize("others", [False, True])
def test_a_failure_leaves_no_folder_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: bool
) -> None:
    def fail(*_: object, **__: object) -> None:
        if others:
            (tmp_path / "a/theirs").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(environment, "write", fail)
    with pytest.raises(KeyboardInterrupt):
        create(tmp_path / "a/b/shop")
    assert [path.name for path in tmp_path.rglob("*")] == (["a", "theirs"] if others else [])


@pytest.mark.parametrize("present", [False, True])
@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, present: bool
) -> None:
    if present:
        (tmp_path / "shop").mkdir()

    def fail(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(environment, "write", fail)  # the last file
    expected = ScaffoldError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        create(tmp_path / "shop")
    assert [path.name for path in tmp_path.rglob("*")] == (["shop"] if present else [])


def test_a_failure_between_two_moves_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop").mkdir()
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if target == tmp_path / "shop/main.py":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ScaffoldError, match=r"cannot be made \(Input/output error\): choose"):
        create(tmp_path / "shop")
    assert not list((tmp_path / "shop").iterdir())


def test_a_folder_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    project = Project.plan(str(tmp_path / "shop"), database="sqlite", origin=REGISTRY)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/mine").touch()
    with pytest.raises(ScaffoldError, match="is not empty: choose"):
        project.create(api_key=new_key())
    assert tree(tmp_path) == {"shop/mine"}


def test_a_template_without_its_literals_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stanchion.scaffold.project.TEMPLATE", tmp_path)
    (tmp_path / "README.md").write_text("# another\n")
    project = Project("shop", tmp_path / "shop", "sqlite:///./shop.db", REGISTRY)
    with pytest.raises(AssertionError, match="has no place, or several, for '# todo-backend"):
        project.render("README.md")


def test_nothing_of_a_running_backend_is_imported() -> None:
    code = "import stanchion.scaffold, sys; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not {"fastapi", "starlette", "sqlalchemy", "sqlmodel", "pydantic", "alembic"} & set(output.split())
