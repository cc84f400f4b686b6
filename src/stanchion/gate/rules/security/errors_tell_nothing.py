"""
# S09: no stack, path or SQL is in an error

## What it does
Provokes errors (bodies of the wrong type, ids at the boundary, broken JSON) and searches the answers for
a stack, a path of the machine, or SQL. What the request had, and paths of the API itself, may be said again.

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
from urllib.parse import unquote

from stanchion.gate.evidence import seen
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.subject import Document, Subject

_INSIDE = re.compile(
    r"(?i:Traceback \(most recent call last\)|File \\?\"/|/site-packages/)"
    r"|(?i:sqlalchemy\.|psycopg|asyncpg\.|sqlite3\.)"
    r"|\bSELECT\b.+\bFROM\b|\bINSERT INTO\b|\bDELETE FROM\b"
    # In small letters they are words: with a placeholder, or a column by its table, they are not.
    r"|\bselect\b.+\bfrom\b.+(?:\w = (?:\?|:\w|%\(|\$\d)|\w\.\w+ = )|\binsert into\b.+\bvalues ?\("
    r"|(?<![\w.:/-])/(?:home|root|usr|opt|var)/[\w.-]+/"
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
        collection = operation.method == "DELETE" and path == operation.path
        if collection or (running.live.may_write and not running.live.may_send(operation.method, path)):
            continue  # it would take away all that there is
        exchanges = [running.ask(operation, path, read_for=1)]
        if operation.method in ("POST", "PUT", "PATCH"):
            json_type = {"Content-Type": "application/json"}
            who = dict(running.who.headers) if running.who else {}
            exchanges += [
                running.ask(operation, path, json_body=[]),
                running.live.send(operation.method, path, content=b"{", headers={**who, **json_type}),
            ]
        for exchange in exchanges:
            found = _inside(subject.document, exchange) if exchange.status >= 400 else ""
            if found and operation.name not in reported:
                reported.add(operation.name)
                yield seen(
                    subject,
                    operation,
                    exchange,
                    message="An error shows the inside of the server.",
                    figure=f"found: {found!r}",
                    advice="Answer 500 without details, and log the exception under the request's id.",
                )


def _inside(document: Document, exchange: Exchange) -> str:
    """Return what an answer tells of the inside, but for what was asked, and for the API's own paths."""
    known = [exchange.path, unquote(exchange.path), exchange.body.decode("utf-8", "replace")]
    known += [one.path for one in document.operations]
    matches = _INSIDE.finditer(exchange.content.decode("utf-8", "replace"))
    return next((one[0] for one in matches if not any(one[0] in text for text in known)), "")
