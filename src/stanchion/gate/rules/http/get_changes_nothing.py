"""
# H09: a GET changes nothing

## What it does
Asks every operation of GET and watches for an INSERT, UPDATE or DELETE that is committed. What only keeps
that it was asked (a count of clicks, the time when a key was last used) is suspected, not proven.

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

import re
from collections.abc import Iterator
from dataclasses import replace

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.queries import reading, readings
from stanchion.gate.subject import Subject

_WRITE = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_LOG = re.compile(r"log|audit|access|click|event|hit|histor|stat|usage|view|visit", re.IGNORECASE)
_COUNT = re.compile(
    r"count|click|hit|view|visit|usage|last_?(access|active|login|ping|request|seen|use)|(accessed|seen|used)_?at|"
    r"^(modified|updated)",
    re.IGNORECASE,
)


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
    for operation, path in readings(subject):
        exchange = running.ask(operation, path, read_for=1)
        (inside,) = running.live.inside(exchange)
        wrote = [one for one in inside.get("statements", ()) if _WRITE.match(one["sql"])]
        wrote.sort(key=lambda one: _is_kept_of_it(one["sql"]))
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
                finding,
                verdict=Verdict.suspected if _is_kept_of_it(wrote[0]["sql"]) else finding.verdict,
                file=wrote[0]["file"] or finding.file,
                line=wrote[0]["line"] or finding.line,
            )


def _is_kept_of_it(sql: str) -> bool:
    """Tell whether it only keeps that it was asked, a count or a time: the client did not ask for that."""
    if table := re.match(r"\s*INSERT\s+INTO\s+[\"`\[]?(\w+)", sql, re.IGNORECASE):
        return _LOG.search(table[1]) is not None
    changed = re.match(
        r"\s*UPDATE\s.+?\sSET\s(.+?)(?:\sWHERE\s|\sRETURNING\s|$)", sql, re.IGNORECASE | re.DOTALL
    )
    columns = re.findall(r"[\"`\[]?(\w+)[\"`\]]?\s*=", changed[1]) if changed else []
    return bool(columns) and all(_COUNT.search(column) for column in columns)
