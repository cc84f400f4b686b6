"""The source: which files are the project's, what they import, and what git tracks of them."""

import ast
import subprocess
from pathlib import Path

import pytest

from stanchion.gate.source import Module, Source


def test_a_module_is_parsed() -> None:
    text = "import os.path\nfrom json import loads as read\nfrom . import own\nfrom .own import x\n  \n"
    module = Module("shop/main.py", text)
    assert module.imports == {"os", "json"}
    assert isinstance(module.tree, ast.Module)
    assert module.tree is module.tree
    assert len([node for node in module.walk() if isinstance(node, ast.ImportFrom)]) == 3
    assert (module.line(1), module.line(5), module.line(0), module.line(9)) == ("import os.path", "", "", "")
    assert module.lines[1] == "from json import loads as read"


@pytest.mark.parametrize("text", ["def (:\n", "x = '\0'\n"])
def test_a_module_that_python_cannot_read(text: str) -> None:
    module = Module("main.py", text)
    assert module.tree is None
    assert list(module.walk()) == []
    assert module.imports == frozenset()
    assert module.line(1) == text.splitlines()[0]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("main.py", False),
        ("contest.py", False),
        ("testing.py", False),
        ("latest/main.py", False),
        ("test_main.py", True),
        ("conftest.py", True),
        ("tests/helper.py", True),
        ("shop/test/helper.py", True),
    ],
)
def test_tests_are_known_by_their_place(path: str, expected: bool) -> None:
    assert Module(path, "").is_test is expected


def project(root: Path) -> Source:
    for name in (
        "main.py",
        "b/z.py",
        "b/a.py",
        "tests/test_main.py",
        "notes.txt",
        ".git/hook.py",
        ".venv/pyvenv.cfg",
        ".venv/lib/a.py",
        "custom-env/pyvenv.cfg",
        "custom-env/lib/a.py",
        "node_modules/a.py",
        "dist/a.py",
        "b/__pycache__/a.py",
        "lib/site-packages/a.py",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    return Source(root)


def test_the_modules_are_the_projects_own(tmp_path: Path) -> None:
    source = project(tmp_path)
    assert [module.path for module in source.modules] == ["b/a.py", "b/z.py", "main.py", "tests/test_main.py"]
    assert [module.path for module in source.code] == ["b/a.py", "b/z.py", "main.py"]
    assert source.modules[0].text == "# b/a.py\n"
    assert tmp_path / "notes.txt" in set(source.files())


def test_links_are_followed_within_the_project_only(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.py").write_text("")
    root = tmp_path / "project"
    source = project(root)
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "out.py").symlink_to(tmp_path / "outside" / "secret.py")
    (root / "broken.py").symlink_to(root / "missing.py")
    (root / "c").symlink_to(root / "b")
    (root / "same.py").symlink_to(root / "main.py")
    (root / "b" / "back").symlink_to(root)
    (root / "here").symlink_to(".")
    paths = {module.path for module in source.modules}
    assert paths == {
        "main.py",
        "same.py",
        "b/a.py",
        "b/z.py",
        "c/a.py",
        "c/z.py",
        "tests/test_main.py",
    }


def test_a_file_that_is_no_utf8_is_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_bytes(b"x = 1  # caf\xe9\n")
    (module,) = Source(tmp_path).modules
    assert module.text == "x = 1  # caf\ufffd\n"
    assert module.tree is not None


def test_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfA=1\n")
    source = Source(tmp_path)
    assert source.read(".env") == "A=1\n"
    assert source.read("missing") is None


def test_what_git_tracks(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    project(tmp_path)
    for folder in (tmp_path / ".git").iterdir():
        folder.unlink()
    git("init", "-q")
    git("config", "user.name", "Ada")
    git("config", "user.email", "ada@example.com")
    assert Source(tmp_path).tracked == frozenset()

    (tmp_path / "with space\nand é.txt").write_text("")
    git("add", "main.py", "b/a.py", "with space\nand é.txt")
    expected = frozenset({"main.py", "b/a.py", "with space\nand é.txt"})
    assert Source(tmp_path).tracked == expected
    git("commit", "-q", "-m", "first")
    assert Source(tmp_path).tracked == expected
    assert Source(tmp_path / "b").tracked == frozenset({"a.py"})


def test_without_git_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Source(tmp_path).tracked is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Source(tmp_path).tracked is None


def test_what_is_built_is_copied_and_not_read(tmp_path: Path) -> None:
    for name in ("dist/app.js", "build/main.py", "node_modules/a.js", "main.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    source = Source(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in source.files()} == {
        *("dist/app.js", "build/main.py", "main.py"),
    }
    assert [module.path for module in source.modules] == ["main.py"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('url = "postgresql://app:s3cr3t@db/shop"', 'url = "postgresql://app:…@db/shop"'),
        ('PASSWORD = "s3cr3t"', 'PASSWORD = "…"'),
        ("engine(api_key='s3cr3t', echo=True)", "engine(api_key='…', echo=True)"),
        ('settings["secret_key"] = "s3cr3t"', 'settings["secret_key"] = "…"'),
        ('if token != "s3cr3t":', 'if token != "…":'),
        ('{"token": "s3cr3t"}', '{"token": "…"}'),
        ('name = "Ada"', 'name = "Ada"'),
        ("http://db:80/@me", "http://db:80/@me"),
    ],
)
def test_no_secret_is_evidence(text: str, expected: str) -> None:
    assert Module("main.py", f"    {text}\n").line(1) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("bin/load.py", True),
        ("migrations/env.py", True),
        ("cabin/main.py", False),
        ("shop/routers.py", False),
    ],
)
def test_what_stands_aside_is_known_by_its_place(path: str, expected: bool) -> None:
    assert Module(path, "").is_aside is expected
