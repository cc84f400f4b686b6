"""
# D01: the database's URL is written in the code

## What it does
Looks for a database URL that is a string in the code, and is given to `create_engine`,
`create_async_engine`, `Database` and their like: at once, or by a name that holds nothing else. A default
of a settings field or of `os.getenv` is fine.

## Why it is bad
The same code runs on a laptop, in the tests and in production, each with its own database. A URL in the
code must be edited for each of them, and one day the tests empty the wrong one.

## Example
```python
engine = create_engine("sqlite:///./app.db")
```

## Use instead
```python
class Settings(BaseSettings):
    DATABASE_URL: str = "sqlite:///./app.db"


engine = create_engine(Settings().DATABASE_URL)
```
"""

import ast
import re
from collections.abc import Iterator

from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.names import assignments, dotted, last, origin
from stanchion.gate.source import Module
from stanchion.gate.subject import Subject

_TAKES_URL = frozenset(
    {
        "AsyncIOMotorClient",
        "AsyncMongoClient",
        "Database",
        "MongoClient",
        "connect",
        "create_async_engine",
        "create_async_pool",
        "create_engine",
        "create_pool",
        "init",
        "register_tortoise",
    }
)
_KEYWORDS = ("url", "db_url", "database_url", "dsn", "conninfo", "host")
_URL = re.compile(
    r"(sqlite|postgres(ql)?|mysql|mariadb|oracle|mssql|cockroachdb|mongodb)(\+\w+)?://.", re.IGNORECASE
)
_IN_MEMORY = re.compile(r"^sqlite(\+\w+)?://(/?$|/:memory:|.*mode=memory)", re.IGNORECASE)
_SQLITE = re.compile(r"sqlite(\+\w+)?:///?", re.IGNORECASE)
_PATHS = frozenset(
    {"Path", "__file__", "abspath", "dirname", "getcwd", "join", "os", "pathlib", "resolve", "str"}
)
"""What makes the path of a file out of where the code stands."""


@rule(
    "D01",
    "DATABASE_URL comes from the environment",
    severity=Severity.major,
    kind=Kind.static,
    line=Line.database_url,
)
def url_in_code(subject: Subject) -> Iterator[Finding]:
    """Find the URLs that are given to an engine."""
    seen = set()
    for module, call in subject.calls():
        if last(call.func) not in _TAKES_URL:
            continue
        given = [*call.args[:1], *(one.value for one in call.keywords if one.arg in _KEYWORDS)]
        for node in given:
            found = _written(subject.code, module, node)
            if found is None or found in seen:
                continue
            seen.add(found)
            where, line = found
            yield Finding(
                message="The database's URL is written in the code, so every environment gets the same one.",
                verdict=Verdict.proven,
                file=where.path,
                line=line,
                evidence=where.line(line),
                advice="Read DATABASE_URL from the environment, with a field of a settings class.",
            )


def _written(code: tuple[Module, ...], module: Module, node: ast.expr) -> tuple[Module, int] | None:
    """Return where the URL is written, or None where it comes from elsewhere."""
    text = _text(module, node)
    if text is not None:
        found = _URL.match(text) and not _IN_MEMORY.match(text)
        return (module, node.lineno) if found else None
    if isinstance(node, ast.BinOp | ast.JoinedStr) and _SQLITE.match(_beginning(node)):
        return (module, node.lineno) if _is_of_the_code(module, node) else None
    if not isinstance(node, ast.Name | ast.Attribute):
        return None
    if isinstance(node, ast.Name) and node.id in assignments(module):
        holder, name = module, node.id
    else:
        elsewhere = origin(code, dotted(module, node))
        if elsewhere is None:
            return None
        holder, name = elsewhere
    values = assignments(holder).get(name, ())
    if len(values) != 1 or isinstance(values[0], ast.Name | ast.Attribute):
        return None
    return _written(code, holder, values[0])


def _beginning(node: ast.expr) -> str:
    """Return the text with which a sum or an f-string begins; nothing where that is no text."""
    while isinstance(node, ast.BinOp | ast.JoinedStr):
        node = node.left if isinstance(node, ast.BinOp) else node.values[0]
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_of_the_code(module: Module, node: ast.expr, depth: int = 5) -> bool:
    """Tell whether it is made of texts and of where the code stands, and of nothing from elsewhere."""
    for one in ast.walk(node):
        if isinstance(one, ast.Attribute) and one.attr in ("environ", "getenv"):
            return False
        if isinstance(one, ast.Name) and one.id not in _PATHS:
            values = assignments(module).get(one.id, ())
            if len(values) != 1 or not depth or not _is_of_the_code(module, values[0], depth - 1):
                return False
    return True


def _text(module: Module, node: ast.expr, depth: int = 3) -> str | None:
    """Return the text of a string, of an f-string or a sum of such, and of a name that holds one."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts: list[ast.expr] = [node.left, node.right]
    elif isinstance(node, ast.JoinedStr):
        parts = [one.value if isinstance(one, ast.FormattedValue) else one for one in node.values]
    else:
        return None
    texts = []
    for part in parts:
        if isinstance(part, ast.Name):
            values = assignments(module).get(part.id, ())
            found = _text(module, values[0], depth - 1) if depth and len(values) == 1 else None
        else:
            found = _text(module, part, depth)
        if found is None:
            return None
        texts.append(found)
    return "".join(texts)
