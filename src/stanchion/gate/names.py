"""What the names in a module mean: its imports, its assignments, and what runs when it is imported."""

import ast
from collections.abc import Iterable, Iterator
from functools import lru_cache

from stanchion.gate.source import Module

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def dotted_path(module: Module) -> str:
    """Return `app.database` for `app/database.py`, `app` for `app/__init__.py`."""
    return module.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


@lru_cache(maxsize=4096)
def imports(module: Module) -> dict[str, str]:
    """Return what each imported name stands for: `{"Session": "sqlmodel.Session"}`."""
    found: dict[str, str] = {}
    for node in module.walk():
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or name] = name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                folders = module.path.split("/")[: -node.level]
                base = ".".join([*folders, *([base] if base else [])])
            for alias in node.names:
                found[alias.asname or alias.name] = f"{base}.{alias.name}" if base else alias.name
    return found


def dotted(module: Module, node: ast.AST) -> str:
    """Return `sqlmodel.Session` for a name or an attribute, by the module's imports; nothing for the rest."""
    if isinstance(node, ast.Name):
        return imports(module).get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        base = dotted(module, node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def last(node: ast.AST) -> str:
    """Return the last part of a name: `create_all` of `SQLModel.metadata.create_all`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@lru_cache(maxsize=4096)
def assignments(module: Module) -> dict[str, tuple[ast.expr, ...]]:
    """Return every value that a name gets outside of functions and classes."""
    found: dict[str, tuple[ast.expr, ...]] = {}
    for node in executed(module, classes=False):
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign | ast.AugAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                found[target.id] = (*found.get(target.id, ()), value)
    return found


def executed(module: Module, *, classes: bool = True) -> Iterator[ast.AST]:
    """Give what runs when the module is imported: no functions' bodies, and no `if __name__ == ...`."""
    waiting: list[ast.AST] = [module.tree] if module.tree else []
    while waiting:
        node = waiting.pop(0)
        yield node
        if isinstance(node, _FUNCTIONS) or (isinstance(node, ast.ClassDef) and not classes):
            continue
        if isinstance(node, ast.If) and _never(node.test):
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)


def body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """Give what runs in the function itself: not in functions and lambdas within it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, _FUNCTIONS):
            waiting += ast.iter_child_nodes(node)


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Give every function of a module, at any depth."""
    for node in module.walk():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def origin(modules: Iterable[Module], name: str) -> tuple[Module, str] | None:
    """Return the module that holds `app.database.engine`, and `engine`; None for a library's."""
    path, _, attribute = name.rpartition(".")
    if not path:
        return None
    for module in modules:
        own = dotted_path(module)
        if own == path or own.endswith(f".{path}"):
            return module, attribute
    return None


def _never(test: ast.expr) -> bool:
    text = ast.unparse(test)
    return text.startswith("__name__ ==") or text.rpartition(".")[2] == "TYPE_CHECKING"
