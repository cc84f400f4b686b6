"""
# S09: no stack, path or SQL is in an error

## What it does
Provokes errors (bodies of the wrong type, ids at the boundary, broken JSON) and searches the answers for
a stack, a path of the machine, or SQL.

## Why it is bad
A stack names the libraries and their versions, a path the user and the layout, SQL the tables: a map
for whoever looks for the next hole.

## Example
```python
except Exception as exc:
    raise HTTPException(500, detail=traceback.format_exc())
```

## Use instead
```python
# Nothing: log the exception, and answer 500 without a word of it.
```
"""

import re
from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.subject import Subject

_INSIDE = re.compile(
    r"Traceback \(most recent call last\)|File \\?\"/|/site-packages/|sqlalchemy\.|psycopg|asyncpg\."
    r"|sqlite3\.|\bSELECT\b.+\bFROM\b|\bINSERT INTO\b|/(?:home|root|usr|opt|var)/[\w.-]+/",
    re.IGNORECASE,
)


@rule(
    "S09",
    "Errors tell nothing of the inside",
    severity=Severity.major,
    kind=Kind.live,
    line=Line.errors,
)
def errors_tell_nothing(subject: Subject) -> Iterator[Finding]:
    """Provoke, and search every error that came of it."""
    running = subject.running
    reported: set[str] = set()
    for operation in subject.document.operations:
        path = re.sub(r"\{[^}]*\}", str(2**63), operation.path)
        exchanges = [running.ask(operation, path, read_for=1)]
        if operation.method in ("POST", "PUT", "PATCH"):
            json_type = {"Content-Type": "application/json"}
            who = dict(running.who.headers) if running.who else {}
            exchanges += [
                running.ask(operation, path, json_body=[]),
                running.live.send(operation.method, path, content=b"{", headers={**who, **json_type}),
            ]
        for exchange in exchanges:
            text = exchange.content.decode("utf-8", "replace")
            found = _INSIDE.search(text) if exchange.status >= 400 else None
            if found and operation.name not in reported:
                reported.add(operation.name)
                yield seen(
                    subject,
                    operation,
                    exchange,
                    message="An error shows the inside of the server.",
                    figure=f"found: {found[0]!r}",
                    advice="Answer 500 without details, and log the exception under the request's id.",
                )
