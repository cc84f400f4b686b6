"""
# C06: importing the app does something

## What it does
Imports the app and watches: opened databases and connections, bound ports, started processes and threads.
Where the import could not be watched, it looks for `metadata.create_all(...)` outside of a function.

## Why it is bad
Whoever imports the module gets the effect: each worker, each test, the tool that only wants the OpenAPI
document. The tests cannot put their own database in its place, and without a database nothing can even be
imported.

## Example
```python
SQLModel.metadata.create_all(engine)
app = FastAPI()
```

## Use instead
```python
@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    SQLModel.metadata.create_all(engine)
    yield


app = FastAPI(lifespan=lifespan)
```
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard

from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.names import dotted_path, executed, imports, last
from stanchion.gate.source import Module
from stanchion.gate.subject import Subject

_ADVICE = "Do it in the lifespan of the app, so that importing the module only defines things."


@rule(
    "C06",
    "The import has no side effect",
    severity=Severity.major,
    kind=Kind.static,
    line=Line.isolation,
)
def import_side_effect(subject: Subject) -> Iterator[Finding]:
    """Tell what the import did, and find what it would do."""
    code = {module.path: module for module in subject.code}
    loaded = subject.imported
    done: dict[tuple[str, int], Finding] = {}
    for effect in loaded.effects if loaded else ():
        path, line = effect["file"] or (loaded.file if loaded else ""), effect["line"] or 1
        module = code.get(path)
        if module is None or (path, line) in done or _is_import(module, effect["line"]):
            continue
        done[path, line] = Finding(
            message=f"Importing the app {_what(module, effect)}.",
            verdict=Verdict.proven,
            file=path,
            line=line,
            evidence=_evidence(module, effect),
            advice=_ADVICE,
        )
    yield from done.values()
    for module in code.values():
        if not _is_imported(module, subject):
            continue
        for node in executed(module):
            if _creates_tables(node) and not any(
                (module.path, line) in done for line in range(node.lineno, (node.end_lineno or 0) + 1)
            ):
                yield Finding(
                    message="Importing the app creates tables.",
                    verdict=Verdict.suspected,
                    file=module.path,
                    line=node.lineno,
                    evidence=module.line(node.lineno),
                    advice=_ADVICE,
                )


def _what(module: Module, effect: Mapping[str, Any]) -> str:
    line = effect["line"]
    for node in module.walk():
        if _creates_tables(node) and node.lineno <= line <= (node.end_lineno or node.lineno):
            return "creates tables"
    return str(effect["does"])


def _evidence(module: Module, effect: Mapping[str, Any]) -> str:
    if effect["line"]:
        return f"{effect['event']}: {module.line(effect['line'])}"
    return f"{effect['event']}: {effect['function']}"


def _is_import(module: Module, line: int) -> bool:
    """Tell whether the line imports something: then it is a library that has the effect."""
    return any(
        isinstance(node, ast.Import | ast.ImportFrom)
        and node.lineno <= line <= (node.end_lineno or node.lineno)
        for node in module.walk()
    )


def _is_imported(module: Module, subject: Subject) -> bool:
    """Tell whether the module is the app's own, or one that another imports: no script."""
    loaded = subject.imported
    if loaded is None or not loaded.file or module.path == loaded.file:
        return True
    name = dotted_path(module).rpartition(".")[2]
    return any(
        name in imported.split(".")
        for other in subject.code
        if other is not module
        for imported in imports(other).values()
    )


def _creates_tables(node: ast.AST) -> TypeGuard[ast.Call]:
    """Tell whether it is `SQLModel.metadata.create_all(...)`."""
    return (
        isinstance(node, ast.Call)
        and last(node.func) == "create_all"
        and isinstance(node.func, ast.Attribute)
        and last(node.func.value) in ("metadata", "metadata_obj")
    )
