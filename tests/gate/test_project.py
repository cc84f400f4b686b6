"""The project is found as `fastapi` finds it, and its copy has what the app needs."""

import sys
from pathlib import Path

import pytest

from stanchion.gate import Project, ProjectError

APP = "from fastapi import FastAPI\n\napp = FastAPI()\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "named", "entry", "folder"),
    [
        ({"main.py": APP}, "", "main:app", "."),
        ({"app.py": APP}, "", "app:app", "."),
        ({"api.py": APP.replace("app =", "api =")}, "", "api:api", "."),
        ({"app/main.py": APP, "app/__init__.py": ""}, "", "app.main:app", "."),
        ({"app/main.py": APP}, "", "main:app", "app"),
        ({"src/main.py": APP}, "", "main:app", "src"),
        ({"main.py": "import os\n", "app.py": APP}, "", "app:app", "."),
        ({"main.py": "def (:\n", "app.py": APP}, "", "app:app", "."),
        ({"main.py": "a, shop = 1, 2\nshop: X = made()\nshop = fastapi.FastAPI()\n"}, "", "main:shop", "."),
        ({"main.py": "application: FastAPI = FastAPI()\n"}, "", "main:application", "."),
        ({"main.py": "from shop import app\n"}, "", "main:app", "."),
        ({"main.py": "from shop import backend as app\n"}, "", "main:app", "."),
        ({"main.py": "def create_app():\n    return 1\n"}, "", "main:create_app", "."),
        ({"main.py": "def get_app():\n    return 1\n"}, "", "main:get_app", "."),
        ({"shop.py": APP}, "shop", "shop:app", "."),
        ({"shop.py": "import os\n"}, "shop", "shop:app", "."),
        ({"shop.py": APP}, "shop:other", "shop:other", "."),
        ({"shop.py": "def create_app(): ...\n"}, "shop", "shop:create_app", "."),
        ({"shop/__init__.py": APP}, "shop", "shop:app", "."),
        ({"shop/web.py": APP}, "shop.web:app", "shop.web:app", "."),
        ({"src/shop/web.py": APP}, "shop.web", "shop.web:app", "src"),
        ({"shop/web.py": APP, "shop/__init__.py": ""}, "shop/web.py", "shop.web:app", "."),
        ({"shop/web.py": APP}, "shop/web.py:other", "web:other", "shop"),
        ({"shop/web.py": "import os\n"}, "shop/web.py", "web:app", "shop"),
    ],
)
def test_the_app_is_found(tmp_path: Path, files: dict[str, str], named: str, entry: str, folder: str) -> None:
    project = Project.find(write(tmp_path, files), entry=named)
    assert (project.entry, project.app_dir) == (entry, (tmp_path / folder).resolve())
    assert project.root == tmp_path.resolve()


def test_pyproject_names_it_and_the_argument_comes_first(tmp_path: Path) -> None:
    text = '[tool.fastapi]\nentrypoint = "shop:web"\n'
    write(tmp_path, {"pyproject.toml": text, "main.py": APP, "shop.py": APP})
    assert Project.find(tmp_path).entry == "shop:web"
    assert Project.find(tmp_path, entry="main").entry == "main:app"


@pytest.mark.parametrize(
    "text", ["", "tool = 1\n", "[tool]\nfastapi = 1\n", "[tool.fastapi]\nentrypoint = 1\n", "[project]\n"]
)
def test_a_pyproject_that_names_nothing_is_passed_over(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"pyproject.toml": text, "main.py": APP})
    assert Project.find(tmp_path).entry == "main:app"


@pytest.mark.parametrize("content", [b"[tool\n", b'name = "\xff"\n'])
def test_a_broken_pyproject_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    with pytest.raises(ProjectError, match=r"^pyproject\.toml cannot be read \(.+\): correct it\.$"):
        Project.find(tmp_path)


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("", "No FastAPI app was found in"),
        ("shop", "There is no module shop in"),
        ("shop.web:app", "There is no module shop.web in"),
        ("shop.py", "There is no shop.py in"),
        ("../outside.py", "There is no ../outside.py in"),
    ],
)
def test_no_app_is_an_error(tmp_path: Path, named: str, message: str) -> None:
    write(tmp_path, {"outside.py": APP, "project/util.py": "import os\n"})
    with pytest.raises(ProjectError) as caught:
        Project.find(tmp_path / "project", entry=named)
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(".")


def test_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="is no folder: name the project's with --path"):
        Project.find(tmp_path / "missing")


def test_the_copy_has_what_the_app_needs(tmp_path: Path) -> None:
    write(
        tmp_path / "shop",
        {
            "src/main.py": APP,
            "shop.db": "the database",
            ".env": "A=1\n",
            ".git/config": "x",
            ".venv/pyvenv.cfg": "x",
            ".venv/lib/big.py": "x",
            "env/pyvenv.cfg": "x",
            "__pycache__/main.pyc": "x",
            "src/.mypy_cache/a": "x",
            "node_modules/a.js": "x",
        },
    )
    for name in ("dump.bin", "large.sqlite"):
        with (tmp_path / "shop" / name).open("wb") as file:
            file.truncate(64 * 1024 * 1024 + 1)  # sparse
    project = Project.find(tmp_path / "shop")
    with project.copy() as copy:
        found = {path.relative_to(copy.root).as_posix() for path in copy.root.rglob("*") if path.is_file()}
        assert found == {"src/main.py", "shop.db", ".env", "large.sqlite"}
        assert (copy.root / "shop.db").read_text() == "the database"
        assert (copy.root.name, copy.entry, copy.python) == ("shop", "main:app", project.python)
        assert copy.app_dir == copy.root / "src"
        assert not copy.root.is_relative_to(tmp_path)
        (copy.root / "shop.db").write_text("changed")
        (copy.root / "more").mkdir()
    assert not copy.root.parent.exists()
    assert (tmp_path / "shop" / "shop.db").read_text() == "the database"
    assert not (tmp_path / "shop" / "more").exists()


def test_the_copy_is_gone_after_a_failure(tmp_path: Path) -> None:
    project = Project.find(write(tmp_path, {"main.py": APP}))
    with pytest.raises(RuntimeError), project.copy() as copy:
        raise RuntimeError
    assert not copy.root.parent.exists()


def environment(folder: Path) -> str:
    program = folder / "bin" / "python"
    program.parent.mkdir(parents=True)
    (folder / "pyvenv.cfg").touch()
    program.symlink_to(sys.executable)
    return str(program)


def test_the_interpreter_is_the_projects_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "shop", {"main.py": APP})
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    assert Project.find(root).python == sys.executable

    active = environment(tmp_path / "active")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "active"))
    assert Project.find(root).python == active

    own = environment(root / ".venv")
    assert Project.find(root).python == own  # the link, not what it leads to
    assert Project.find(root, python=sys.executable).python == sys.executable


def test_an_interpreter_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "shop", {"main.py": APP})
    environment(tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    assert Project.find(root, python="other/bin/python").python == str(tmp_path / "other/bin/python")
    with pytest.raises(ProjectError, match="There is no interpreter python9: name another with --python"):
        Project.find(root, python="python9")


def test_a_database_that_is_too_large_to_copy(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("app = make()\n")
    with (tmp_path / "shop.db").open("wb") as file:
        file.truncate((1 << 30) + 1)  # a hole: no byte of it is written
    with pytest.raises(ProjectError, match=r"^shop\.db holds 1 GiB, too much to copy for a check: "):
        Project.find(tmp_path).copy().__enter__()
