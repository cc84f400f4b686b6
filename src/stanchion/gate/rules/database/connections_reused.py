"""
# D02: database connections are reused

## What it does
Asks one reading operation twelve times and counts the connections that are opened meanwhile.

## Why it is bad
A connection costs PostgreSQL a process and several round trips; under load the server runs out of them
before it runs out of anything else.

## Example
```python
@app.get("/todos")
def list_todos():
    engine = create_engine(DATABASE_URL)  # a pool for each request
    with Session(engine) as session: ...
```

## Use instead
```python
engine = create_engine(DATABASE_URL, pool_pre_ping=True)  # one, for the process
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.queries import reading
from stanchion.gate.subject import Subject

_TIMES = 12


@rule(
    "D02",
    "Connections are reused",
    severity=Severity.major,
    kind=Kind.instrumented,
    line=Line.pooled,
)
def connections_reused(subject: Subject) -> Iterator[Finding]:
    """Ask again and again: what was opened once serves all."""
    operation, path = reading(subject)
    running = subject.running
    running.ask(operation, path)
    before = running.live.pool()["connects"]
    exchanges = [running.ask(operation, path) for _ in range(_TIMES)]
    opened = running.live.pool()["connects"] - before
    if opened >= _TIMES / 2 and _keeps_none(subject):
        raise NotChecked("this SQLAlchemy keeps no connection to a file of SQLite: ask it on PostgreSQL")
    if opened >= _TIMES / 2:
        yield seen(
            subject,
            operation,
            exchanges[-1],
            message="Each request opens a database connection of its own.",
            figure=f"{opened} connections were opened by {_TIMES} requests, one after the other",
            advice="Make one engine for the process, with its pool; NullPool is for tests.",
        )


def _keeps_none(subject: Subject) -> bool:
    """Tell whether SQLAlchemy's own choice may be behind it: NullPool for a file of SQLite.

    That was so before 2.0, and for aiosqlite before 2.0.38.
    """
    version = (subject.app.versions or {}).get("sqlalchemy", "")
    known = tuple(int(part) for part in version.split(".") if part.isdigit())
    texts = [module.text for module in subject.code if not module.is_aside]
    least = (2, 0, 38) if any("aiosqlite" in text for text in texts) else (2,)
    return bool(known) and known < least and not any("NullPool" in text for text in texts)
