"""
# D05: a list has a bound

## What it does
Reads the list of each resource without parameters. Where no statement on its table has a LIMIT, it makes
sixty rows more, reads again, and looks for all sixty in the answer. What takes a password to make
is left out: each costs a hash that is slow on purpose.

## Why it is bad
A list without a bound is quick in the demonstration and an outage in the third year: every row is read,
built, validated and sent.

## Example
```python
@app.get("/todos")
def list_todos(session: SessionDep) -> list[Todo]:
    return session.exec(select(Todo)).all()
```

## Use instead
```python
@app.get("/todos")
def list_todos(session: SessionDep, limit: Annotated[int, Query(le=200)] = 50) -> list[Todo]:
    return session.exec(select(Todo).order_by(Todo.id).limit(limit)).all()
```
"""

import re
from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.journey import Resource
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.queries import reading
from stanchion.gate.running import Running
from stanchion.gate.subject import Subject

_ROWS = 60
_INSERT = re.compile(r"""INSERT INTO (?:\w+\.)?["`]?(\w+)""", re.IGNORECASE)
_LIMIT = re.compile(r"\b(LIMIT|FETCH FIRST|FETCH NEXT|TOP)\b", re.IGNORECASE)


@rule(
    "D05",
    "A list has a bound",
    severity=Severity.major,
    kind=Kind.instrumented,
    line=Line.rest,
)
def list_has_bound(subject: Subject) -> Iterator[Finding]:
    """Fill a resource, and read it."""
    reading(subject)
    running = subject.running
    for resource in running.made():
        if running.journey.takes_password(resource):
            continue
        tables = _written_to(running, resource)
        if (
            resource.listing is None
            or not tables
            or _is_bounded(running, running.ask(resource.listing), tables)
        ):
            continue
        for _ in range(_ROWS):
            made = running.journey.make(resource)
            if made is None or made.status >= 300:
                break
        else:
            exchange = running.ask(resource.listing)
            rows = exchange.json
            if isinstance(rows, list) and len(rows) >= _ROWS and not _is_bounded(running, exchange, tables):
                yield seen(
                    subject,
                    resource.listing,
                    exchange,
                    message="The list has no bound: it answers with every row.",
                    figure=f"{len(rows)} rows without a parameter, and no LIMIT in its statements",
                    advice="Give it limit, with a default and a greatest value, and a cursor or an offset.",
                )


def _written_to(running: Running, resource: Resource) -> set[str]:
    """Return the tables that get a row when one of these is made."""
    made = running.journey.make(resource)
    (inside,) = running.live.inside(made) if made is not None else ({},)
    found = (_INSERT.match(one["sql"].lstrip()) for one in inside.get("statements", ()))
    return {match[1].lower() for match in found if match}


def _is_bounded(running: Running, exchange: Exchange, tables: set[str]) -> bool:
    """Tell whether a statement on one of the tables has a LIMIT; who looks up a key has one too."""
    (inside,) = running.live.inside(exchange)
    bounded = [one["sql"].lower() for one in inside.get("statements", ()) if _LIMIT.search(one["sql"])]
    return any(re.search(rf"\b{re.escape(table)}\b", sql) for sql in bounded for table in tables)
