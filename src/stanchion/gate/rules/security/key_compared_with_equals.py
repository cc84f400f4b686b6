"""
# S04: a key is compared with `==`

## What it does
Looks for a comparison with `==` or `!=` where one side is named like a secret (`api_key`, `token`,
`password`, `signature`). What is compared in a query, such as `where(Key.digest == digest)`, is left out: the
database compares it.

## Why it is bad
`==` stops at the first byte that differs. Whoever can measure the answer many times learns the secret
byte by byte; over a network it takes patience, on the same host little.

## Example
```python
if x_api_key != settings.API_KEY:
    raise HTTPException(401)
```

## Use instead
```python
if not secrets.compare_digest(x_api_key.encode(), settings.API_KEY.encode()):
    raise HTTPException(401)
```
"""

import ast
import re
from collections.abc import Iterator

from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.names import last
from stanchion.gate.subject import Subject

_QUERIES = frozenset({"and_", "exists", "filter", "having", "join", "not_", "or_", "outerjoin", "where"})
_SECRET = re.compile(
    r"(^|_)(api_?key|secret(_key)?|token|password|passwd|signature|hmac|digest)$", re.IGNORECASE
)


@rule(
    "S04",
    "A key is not compared with ==",
    severity=Severity.major,
    kind=Kind.static,
    line=Line.keys,
)
def key_compared_with_equals(subject: Subject) -> Iterator[Finding]:
    """Find the comparisons."""
    for module in subject.code:
        sent = {
            id(node)
            for function in module.walk()
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and _takes_from_client(function)
            for node in ast.walk(function)
        }
        queried = {
            id(node)
            for call in module.walk()
            if isinstance(call, ast.Call) and last(call.func) in _QUERIES
            for given in call.args
            for node in ast.walk(given)
        }
        for node in module.walk():
            if not isinstance(node, ast.Compare) or len(node.ops) != 1 or id(node) in queried:
                continue
            if not isinstance(node.ops[0], ast.Eq | ast.NotEq):
                continue
            sides = (node.left, node.comparators[0])
            # Compared with a literal it is a question of form: `if token == "":`.
            if any(isinstance(side, ast.Constant) for side in sides):
                continue
            if any(_SECRET.search(_name(side)) for side in sides):
                yield Finding(
                    message="A secret is compared with == or !=, which takes longer the more of it is right.",
                    # What a client sends in a header is one side of it: there is nothing to guess.
                    verdict=Verdict.proven if id(node) in sent else Verdict.suspected,
                    file=module.path,
                    line=node.lineno,
                    evidence=module.line(node.lineno),
                    advice="Compare with secrets.compare_digest(a.encode(), b.encode()).",
                )


def _takes_from_client(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether FastAPI fills a parameter of it from a header or a cookie."""
    arguments = function.args
    annotations = [one.annotation for one in (*arguments.args, *arguments.kwonlyargs) if one.annotation]
    written = " ".join(ast.unparse(one) for one in (*annotations, *arguments.defaults))
    return re.search(r"\b(Header|Cookie|Security|APIKeyHeader|APIKeyCookie)\b", written) is not None


def _name(node: ast.expr) -> str:
    """Return the last name of `settings.API_KEY` or `settings.API_KEY.get_secret_value()`."""
    if isinstance(node, ast.Call):
        node = node.func
        if isinstance(node, ast.Attribute) and node.attr in ("get_secret_value", "encode", "strip"):
            return _name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
