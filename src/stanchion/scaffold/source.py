"""Python text: what it binds, the pieces of it, and small edits that leave the rest as it was written."""

import ast
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stanchion.scaffold.errors import ScaffoldError
from stanchion.scaffold.layout import WIDTH


@dataclass(frozen=True, slots=True)
class Source:
    """A module's text, with LF at the end of its lines, and its tree."""

    name: str
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, name: str, text: str) -> "Source":
        """Parse a text. Raises ScaffoldError where it is not Python."""
        try:
            return cls(name, text, ast.parse(text))
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            raise ScaffoldError(
                f"{name} is not Python{f' (line {line})' if line else ''}: correct it."
            ) from error

    @classmethod
    def read(cls, path: Path, name: str) -> "Source":
        """Read a file of a project. Raises ScaffoldError where there is none, or it is not Python."""
        try:
            return cls.of(name, path.read_bytes().decode().replace("\r\n", "\n"))
        except FileNotFoundError as error:
            raise ScaffoldError(
                f"There is no {name} in {path.parents[name.count('/')]}: add it first."
            ) from error
        except UnicodeDecodeError as error:
            raise ScaffoldError(f"{name} is not UTF-8 text: correct it.") from error

    def piece(self, name: str) -> str:
        """Return the text of a class or function at the top, its decorators included."""
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                return "".join(self.lines[first - 1 : node.end_lineno])
        raise AssertionError(f"{self.name} has no {name}")

    @property
    def lines(self) -> list[str]:
        """Return its lines, each with its end: what Python ends a line with, and nothing else."""
        return list(io.StringIO(self.text, newline=""))

    def bound(self) -> set[str]:
        """Return the names that its top level binds."""
        return {name for node in self.tree.body for name in _bound(node)}

    def classes(self) -> Iterator[ast.ClassDef]:
        """Give the classes at its top."""
        return (node for node in self.tree.body if isinstance(node, ast.ClassDef))

    def place(self, line: int, column: int) -> int:
        """Return where in the text a place of the tree is: its columns are bytes."""
        lines = self.lines
        return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())

    def end(self, node: ast.expr | ast.stmt | ast.alias) -> int:
        """Return where in the text a node ends."""
        return self.place(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def start(self, node: ast.expr | ast.stmt | ast.alias) -> int:
        """Return where in the text a node begins."""
        return self.place(node.lineno, node.col_offset)

    def changed(self, start: int, end: int, text: str) -> "Source":
        """Return it with a part replaced."""
        return Source.of(self.name, self.text[:start] + text + self.text[end:])

    def appended(self, text: str) -> "Source":
        """Return it with a block after its last."""
        return Source.of(self.name, f"{self.text.rstrip()}\n\n\n{text}")

    def importing(self, module: str, name: str) -> "Source":
        """Return it with `from module import name`, in its place; itself where it has it."""
        found = [
            node for node in self.tree.body if isinstance(node, ast.ImportFrom) and _module(node) == module
        ]
        if any(alias.name == name and alias.asname is None for node in found for alias in node.names):
            return self
        joinable = [node for node in found if all(alias.name != "*" for alias in node.names)]
        return self._joined(joinable[0], name) if joinable else self._with_statement(module, name)

    def _joined(self, node: ast.ImportFrom, name: str) -> "Source":
        """Add a name to an import."""
        later = next((alias for alias in node.names if _order(alias.name) > _order(name)), None)
        if node.lineno == node.end_lineno:
            return self._on_one_line(node, name, later)
        last = node.names[-1]
        if later is not None:
            place = self.start(later)
            before = self.text[:place].rpartition("\n")[2]
            return self.changed(place, place, f"{name},{' ' if before.strip() else chr(10) + before}")
        line = self.lines[last.lineno - 1]
        indent = line[: len(line) - len(line.lstrip())] if last.lineno > node.lineno else "    "
        return self.changed(self.end(last), self.end(last), f",\n{indent}{name}")

    def _on_one_line(self, node: ast.ImportFrom, name: str, later: ast.alias | None) -> "Source":
        place = self.end(node.names[-1]) if later is None else self.start(later)
        made = self.changed(place, place, f", {name}" if later is None else f"{name}, ")
        start = made.place(node.lineno, 0)
        if len(made.lines[node.lineno - 1].rstrip("\n")) <= WIDTH or "(" in made.lines[node.lineno - 1]:
            return made
        again = next(
            one for one in made.tree.body if isinstance(one, ast.ImportFrom) and one.lineno == node.lineno
        )
        names = "".join(f"    {made.text[made.start(one) : made.end(one)]},\n" for one in again.names)
        return made.changed(start, made.end(again), f"from {_module(again)} import (\n{names})")

    def _with_statement(self, module: str, name: str) -> "Source":
        """Add an import of its own, where a sorted list of them has it."""
        text = f"from {module} import {name}\n"
        imports = [node for node in self.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        kin = [node for node in imports if _section(_module(node)) == _section(module)]
        after = [node for node in kin if isinstance(node, ast.Import) or _module(node) < module]
        if kin:
            line = max(node.end_lineno or 0 for node in after) if after else kin[0].lineno - 1
            place = self.place(line + 1, 0) if line < len(self.lines) else len(self.text)
            return self.changed(place, place, text)
        above = [node for node in imports if _section(_module(node)) < _section(module)]
        if above:
            place = self.place((above[-1].end_lineno or 0) + 1, 0)
            return self.changed(place, place, f"\n{text}")
        if imports:
            return self.changed(self.start(imports[0]), self.start(imports[0]), f"{text}\n")
        first = self.tree.body[0] if self.tree.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):  # the docstring
            return self.changed(self.end(first), self.end(first), f"\n\n{text.rstrip()}")
        return self.changed(0, 0, f"{text}\n")


def _bound(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.Import() | ast.ImportFrom():
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield node.name
        case _:
            names = (one for one in ast.walk(node) if isinstance(one, ast.Name))
            yield from (one.id for one in names if isinstance(one.ctx, ast.Store))


def _module(node: ast.Import | ast.ImportFrom) -> str:
    if isinstance(node, ast.Import):
        return node.names[0].name
    return "." * node.level + (node.module or "")


def _section(module: str) -> int:
    """Return the group of an import, as isort has them."""
    top = module.partition(".")[0]
    if top == "__future__":
        return 0
    if top in sys.stdlib_module_names:
        return 1
    own = {
        "",
        "database",
        "dependencies",
        "jobs",
        "main",
        "models",
        "routers",
        "schemas",
        "settings",
        "stanchion",
    }
    return 3 if top in own else 2


def _order(name: str) -> tuple[int, str]:
    """Return where a name stands among others, as isort has them: constants, classes, the rest."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, name.lower()
