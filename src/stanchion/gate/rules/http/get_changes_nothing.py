"""
# H09: a GET changes nothing

## What it does
Asks every operation of GET and watches for an INSERT, UPDATE or DELETE that is committed.

## Why it is bad
GET is safe (RFC 9110, 9.2.1): browsers, caches, crawlers and link previews ask it at will, and again.

## Example
```python
@app.get("/todos/{todo_id}/archive")
def archive(todo_id: int): ...
```

## Use instead
```python
@app.post("/todos/{todo_id}/archive")
def archive(todo_id: int): ...
```
"""

from collections.abc import Iterator
from dataclasses import replace

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.queries import reading
from stanchion.gate.subject import Subject

_WRITES = ("INSERT", "UPDATE", "DELETE")


@rule(
    "H09",
    "A GET changes nothing",
    severity=Severity.major,
    kind=Kind.instrumented,
    line=Line.rest,
)
def get_changes_nothing(subject: Subject) -> Iterator[Finding]:
    """Ask every GET whose path is known, and look at what was committed."""
    reading(subject)
    running = subject.running
    known = {one.item_path: running.journey.last(one) for one in running.journey.resources}
    for operation in subject.document.operations:
        path = known.get(operation.path) or operation.path
        if operation.method != "GET" or "{" in path:
            continue
        exchange = running.ask(operation, path, read_for=1)
        (inside,) = running.live.inside(exchange)
        wrote = [
            one for one in inside.get("statements", ()) if one["sql"].lstrip().upper().startswith(_WRITES)
        ]
        if wrote and inside["commits"]:
            finding = seen(
                subject,
                operation,
                exchange,
                message="A GET writes to the database.",
                figure=wrote[0]["sql"],
                advice="Make it a POST, or write elsewhere.",
            )
            yield replace(
                finding, file=wrote[0]["file"] or finding.file, line=wrote[0]["line"] or finding.line
            )
