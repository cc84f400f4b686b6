"""
# C05: the main module holds everything

## What it does
Where an app has more than 5 operations, looks for the parts of a backend: routers, a module with the engine,
one with the tables, one with the schemas. A part is missing where it stands in the module of the app. What
the backend does without is not asked for.

## Why it is bad
It works. But a module that holds everything is imported whole by whoever needs the engine or one table, and
two people, or two agents, who add an operation each change the same file.

## Example
```python
app = FastAPI()
engine = create_engine(settings.DATABASE_URL)


class Todo(SQLModel, table=True):
    ...


@app.get("/api/todos")
...
```

## Use instead
```
main.py        the app, its lifespan and its middleware
database.py    the engine and the session dependency
models.py      the tables
schemas.py     what goes in and out
routers/       the operations, an APIRouter for each resource
```
"""

import ast
from collections.abc import Iterator, Sequence

from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, Verdict, rule
from stanchion.gate.names import dotted, executed, last
from stanchion.gate.source import Module
from stanchion.gate.subject import Subject

_FEW = 5
_ENGINES = frozenset({"create_engine", "create_async_engine"})


@rule(
    "C05",
    "The layout is a backend's",
    severity=Severity.information,
    kind=Kind.static,
    line=Line.routers,
)
def everything_in_main(subject: Subject) -> Iterator[Finding]:
    """Find the parts that stand in the module of the app."""
    operations = {route.operation for route in subject.app.routes if route.file and route.in_schema}
    if len(operations) <= _FEW:
        raise NotChecked(f"the app has no more than {_FEW} operations", applies=False)
    apps = [module for module in subject.code if _calls(module, "fastapi.FastAPI")]
    mains = [module for module in apps if module.path == subject.app.file] or apps
    if not any(_calls(module, "fastapi.APIRouter") for module in subject.code):
        for module in mains:
            node = _calls(module, "fastapi.FastAPI")[0]
            yield _finding(
                module,
                node,
                f"The app has {len(operations)} operations, and no router.",
                "Give each resource an APIRouter in a module of its own, in routers/.",
            )
    for module in mains:
        for what, held, where in (
            ("engine has", _engines, "database.py"),
            ("tables have", _tables, "models.py"),
            ("schemas have", _schemas, "schemas.py"),
        ):
            nodes = held(module)
            if nodes and not any(held(other) for other in subject.code if other not in mains):
                yield _finding(
                    module,
                    nodes[0],
                    f"The {what} no module apart from the app's.",
                    f"Move the {what.partition(' ')[0]} to {where}.",
                )


def _finding(module: Module, node: ast.expr | ast.stmt, message: str, advice: str) -> Finding:
    return Finding(
        message=message,
        verdict=Verdict.proven,
        file=module.path,
        line=node.lineno,
        evidence=module.line(node.lineno).partition("(")[0],
        advice=advice,
    )


def _calls(module: Module, name: str) -> list[ast.Call]:
    """Return the calls of FastAPI's own class, by whichever way it was imported."""
    named = name.rpartition(".")[2]
    return [
        node
        for node in module.walk()
        if isinstance(node, ast.Call)
        and last(node.func) == named
        and dotted(module, node.func).startswith("fastapi.")
    ]


def _engines(module: Module) -> Sequence[ast.expr | ast.stmt]:
    return [node for node in executed(module) if isinstance(node, ast.Call) and last(node.func) in _ENGINES]


def _tables(module: Module) -> Sequence[ast.expr | ast.stmt]:
    return [node for node in _classes(module) if _is_table(node)]


def _schemas(module: Module) -> Sequence[ast.expr | ast.stmt]:
    return [
        node
        for node in _classes(module)
        if not _is_table(node) and any(last(base) in ("BaseModel", "SQLModel") for base in node.bases)
    ]


def _classes(module: Module) -> Iterator[ast.ClassDef]:
    return (node for node in (module.tree.body if module.tree else ()) if isinstance(node, ast.ClassDef))


def _is_table(node: ast.ClassDef) -> bool:
    return any(one.arg == "table" for one in node.keywords) or any(
        isinstance(one, ast.Assign) and last(one.targets[0]) == "__tablename__" for one in node.body
    )
