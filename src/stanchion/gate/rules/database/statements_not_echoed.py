"""
# D07: statements are not written to the log

## What it does
Looks for an engine that is made with `echo=True`.

## Why it is bad
Every statement with its parameters is in the log: emails, tokens, hashes; and writing it takes longer than
many a statement.

## Example
```python
engine = create_engine(settings.DATABASE_URL, echo=True)
```

## Use instead
```python
engine = create_engine(settings.DATABASE_URL, hide_parameters=True)
```
"""

import ast
from collections.abc import Iterator

from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.subject import Subject


@rule(
    "D07",
    "Statements are not echoed",
    severity=Severity.minor,
    kind=Kind.static,
    line=Line.events,
)
def statements_not_echoed(subject: Subject) -> Iterator[Finding]:
    """Look for the literal; a setting may turn it on where somebody looks."""
    for module, call in subject.calls():
        name = ast.unparse(call.func).rpartition(".")[2]
        if name not in ("create_engine", "create_async_engine"):
            continue
        for one in call.keywords:
            if one.arg == "echo" and isinstance(one.value, ast.Constant) and one.value.value:
                yield Finding(
                    message="The engine writes every statement and its parameters to the log.",
                    verdict=Verdict.proven,
                    file=module.path,
                    line=call.lineno,
                    evidence=module.line(one.value.lineno),
                    advice="Take echo=True out, or let a setting turn it on.",
                )
