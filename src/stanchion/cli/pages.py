"""The pages of the gate's rules, read from their source: the gate itself needs the extra "check"."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import stanchion

_RULES = Path(stanchion.__file__).parent / "gate" / "rules"


@dataclass(frozen=True, slots=True)
class Page:
    """What is printed of a rule."""

    id: str
    title: str
    text: str
    """Markdown."""


def pages() -> list[Page]:
    """Return the page of every rule, in the order of the ids."""
    return sorted(
        (page for path in _RULES.glob("*/*.py") for page in _pages_of(path)), key=lambda page: page.id
    )


def _pages_of(path: Path) -> Iterator[Page]:
    module = ast.parse(path.read_text(encoding="utf-8"))
    for function in module.body:
        for decorator in function.decorator_list if isinstance(function, ast.FunctionDef) else ():
            match decorator:
                case ast.Call(
                    func=ast.Name("rule"), args=[ast.Constant(str(rule_id)), ast.Constant(str(title))]
                ):
                    yield Page(rule_id, title, inspect.cleandoc(ast.get_docstring(module) or ""))
