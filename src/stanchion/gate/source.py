"""The project's source: its Python files, parsed, and what git says of the others."""

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_CACHES = frozenset(
    {".git", ".hg", ".mypy_cache", ".nox", ".pytest_cache", ".ruff_cache", ".tox", "__pycache__"}
    | {"node_modules", "site-packages"}
)
_MADE = frozenset({"build", "dist"})
"""What is made of sources; a page that the app serves may be among it."""
_TESTS = ("tests", "test")
_IN_URL = re.compile(r"""(://[^:/@\s"']*:)[^@/\s"']+@""")
_NAMED = re.compile(
    r"""((?:passw(?:or)?d|secret|token|api_?key)\w*["']?\]?\s*(?:==|!=|=|:)\s*)(["'])[^"']+\2""",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"(^|/)(alembic|bin|docs?|examples?|migrations|scripts)/|(^|/)(setup|noxfile)\.py$")


@dataclass(frozen=True)
class Module:
    """One Python file; `path` is relative to the project, in the form of a URL's."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module | None:
        """Return the syntax tree; None where Python could not read it either."""
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError):
            return None

    @cached_property
    def lines(self) -> list[str]:
        """Return the lines; `lines[n - 1]` is line n."""
        return self.text.splitlines()

    @cached_property
    def imports(self) -> frozenset[str]:
        """Return the packages that it imports, by their first names."""
        found = set()
        for node in self.walk():
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
        return frozenset(found)

    @property
    def is_test(self) -> bool:
        """Tell whether it is for tests alone."""
        *folders, name = self.path.split("/")
        return (
            any(folder in _TESTS for folder in folders) or name == "conftest.py" or name.startswith("test_")
        )

    @property
    def is_aside(self) -> bool:
        """Tell whether it stands beside what is served: a migration, a script, an example."""
        migration = "/versions/" in f"/{self.path}" and "down_revision" in self.text
        return migration or _ASIDE.search(self.path) is not None

    def walk(self) -> Iterator[ast.AST]:
        """Give every node of the tree."""
        return ast.walk(self.tree) if self.tree else iter(())

    def line(self, number: int) -> str:
        """Return a line without its indentation and its secrets, for evidence."""
        return without_secrets(self.lines[number - 1].strip()) if 0 < number <= len(self.lines) else ""


def without_secrets(text: str) -> str:
    """Return the text without the passwords of URLs, and without what is assigned to a secret's name."""
    return _NAMED.sub(r"\1\2…\2", _IN_URL.sub(r"\1…@", text))


@dataclass(frozen=True)
class Source:
    """The files of a project, read once."""

    root: Path

    @cached_property
    def modules(self) -> tuple[Module, ...]:
        """Return the Python files, in the order of their paths; environments and caches are left out."""
        return tuple(
            Module(path.relative_to(self.root).as_posix(), path.read_text(encoding="utf-8", errors="replace"))
            for path in sorted(self.files(skipped=_CACHES | _MADE))
            if path.suffix == ".py"
        )

    @property
    def code(self) -> tuple[Module, ...]:
        """Return the modules that are served: no tests."""
        return tuple(module for module in self.modules if not module.is_test)

    def files(self, folder: Path | None = None, *, skipped: frozenset[str] = _CACHES) -> Iterator[Path]:
        """Give every file, without environments (PEP 405), caches and links that lead out or back."""
        for path in (folder or self.root).iterdir():
            if path.is_symlink():
                target = path.resolve()
                if not target.is_relative_to(self.root.resolve()) or path.parent.resolve().is_relative_to(
                    target
                ):
                    continue
            if path.is_dir():
                if path.name not in skipped and not (path / "pyvenv.cfg").exists():
                    yield from self.files(path, skipped=skipped)
            elif path.is_file():
                yield path

    def read(self, name: str) -> str | None:
        """Return the text of a file, or None where there is none."""
        try:
            return (self.root / name).read_text(encoding="utf-8-sig", errors="replace")
        except OSError:
            return None

    @cached_property
    def tracked(self) -> frozenset[str] | None:
        """Return the paths that git tracks; None outside a repository or without git."""
        command = ["git", "-C", str(self.root), "ls-files", "-z"]
        try:
            done = subprocess.run(command, capture_output=True, check=True, timeout=30)  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            return None
        return frozenset(filter(None, done.stdout.decode("utf-8", "replace").split("\0")))
