"""The project under test: where it is, which app it serves, which interpreter runs it, and a copy of it."""

import ast
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stanchion.gate.source import Source

_FILES = ("main.py", "app.py", "api.py", "app/main.py", "app/app.py", "app/api.py", "src/main.py")
_LARGEST = 64 * 1024 * 1024
"""Bytes; what is larger is data, and is not copied unless it is a database."""
_DATABASES = (".db", ".sqlite", ".sqlite3")
_LARGEST_DATABASE = 1 << 30
"""Bytes; the copy is made in the folder for temporary files."""


class ProjectError(Exception):
    """The project cannot be checked; the message is a sentence that says what to do."""


@dataclass(frozen=True)
class Project:
    """A folder with a FastAPI app in it."""

    root: Path
    entry: str
    """`main:app`"""
    app_dir: Path
    """What must be on `sys.path` to import it."""
    python: str

    @classmethod
    def find(cls, root: Path, *, entry: str = "", python: str = "") -> "Project":
        """Find the app as `fastapi` does: what was named, `[tool.fastapi] entrypoint`, the usual files.

        Raises ProjectError where there is none.
        """
        root = root.resolve()
        if not root.is_dir():
            raise ProjectError(f"{root} is no folder: name the project's with --path.")
        app_dir, name = _entry(root, entry or _entrypoint(root))
        return cls(root, name, app_dir, _program(python) if python else _interpreter(root))

    @property
    def source(self) -> Source:
        """Return its files."""
        return Source(self.root)

    @contextmanager
    def copy(self) -> Iterator["Project"]:
        """Give the same project in a temporary folder, which is gone afterwards.

        Environments, caches and what git keeps are left out; databases in it come along.
        """
        with tempfile.TemporaryDirectory(prefix="stanchion-check-") as temporary:
            target = Path(temporary).resolve() / (self.root.name or "project")
            target.mkdir()
            for path in self.source.files():
                size = path.stat().st_size
                if size > _LARGEST and path.suffix not in _DATABASES:
                    continue
                if size > _LARGEST_DATABASE:
                    raise ProjectError(
                        f"{path.relative_to(self.root)} holds {size >> 30} GiB, too much to copy for a "
                        "check: check a clone of the project without it."
                    )
                into = target / path.relative_to(self.root)
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, into)
            yield Project(target, self.entry, target / self.app_dir.relative_to(self.root), self.python)


def _entrypoint(root: Path) -> str:
    try:
        content: Any = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except OSError:
        return ""
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ProjectError(f"pyproject.toml cannot be read ({exc}): correct it.") from exc
    for name in ("tool", "fastapi", "entrypoint"):
        content = content.get(name, "") if isinstance(content, dict) else ""
    return content if isinstance(content, str) else ""


def _entry(root: Path, named: str) -> tuple[Path, str]:
    """Return the folder for `sys.path`, and `module:attribute`."""
    if named:
        module, _, attribute = named.partition(":")
        if module.endswith(".py"):
            path = root / module
            if not path.is_file() or not path.resolve().is_relative_to(root):
                raise ProjectError(f"There is no {module} in {root}: name the app as module:attribute.")
            folder, dotted = _importable(path, root)
            return folder, f"{dotted}:{attribute or _app_in(path) or 'app'}"
        for folder in (root, root / "src"):
            path = folder.joinpath(*module.split("."))
            for found in (path.with_suffix(".py"), path / "__init__.py"):
                if found.is_file():
                    return folder, f"{module}:{attribute or _app_in(found) or 'app'}"
        raise ProjectError(f"There is no module {module} in {root}: name the app as module:attribute.")
    for name in _FILES:
        path = root / name
        if path.is_file() and (attribute := _app_in(path)):
            folder, dotted = _importable(path, root)
            return folder, f"{dotted}:{attribute}"
    raise ProjectError(
        f"No FastAPI app was found in {root}: name it, as in `stanchion check main:app --path {root}`."
    )


def _importable(path: Path, root: Path) -> tuple[Path, str]:
    """Return the folder to import from and the dotted name: packages begin where `__init__.py` does."""
    parts = [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder != root:
        parts.insert(0, folder.name)
        folder = folder.parent
    return folder, ".".join(parts)


def _app_in(path: Path) -> str:
    """Return the name that holds a FastAPI app in this file, or of a factory for one, as its text has it."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return ""
    names = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    ]
    for preferred in ("app", "api", "application"):
        if preferred in names:
            return preferred
    made = [
        node.targets[0].id
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func).rpartition(".")[2] == "FastAPI"
        and isinstance(node.targets[0], ast.Name)
    ]
    if made:
        return made[0]
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    if "app" in imported:
        return "app"
    factories = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in ("create_app", "get_app")
    ]
    return factories[0] if factories else ""


def _program(named: str) -> str:
    """Return the whole path of an interpreter. Raises ProjectError where it is not there."""
    found = shutil.which(named)
    if found is None:
        raise ProjectError(f"There is no interpreter {named}: name another with --python.")
    return os.path.abspath(found)  # noqa: PTH100 (a link into an environment is what makes it that one's)


def _interpreter(root: Path) -> str:
    """Return the project's own Python: of its environment, of the active one, else ours."""
    folders = [
        *(marker.parent for marker in sorted(root.glob("*/pyvenv.cfg"))),
        Path(os.environ.get("VIRTUAL_ENV", "/")),
    ]
    for folder in folders:
        for name in ("bin/python", "Scripts/python.exe"):
            if (folder / name).exists() and folder != Path("/"):
                return str(folder / name)
    return sys.executable
