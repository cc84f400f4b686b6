"""
# C10: a test can override where the database comes from

## What it does
Puts a stand-in where each dependency of a reading operation is, at any depth, with
`app.dependency_overrides`, asks the operation, and takes them away again. Statements that the endpoint runs
all the same come from a database that no override reaches.

## Why it is bad
A test of the endpoint needs the real database, or patches names inside modules. What is handed over by
`Depends` is replaced in one line, in one place.

## Example
```python
engine = create_engine(settings.DATABASE_URL)

@app.get("/todos")
def list_todos() -> list[TodoResponse]:
    with Session(engine) as session:
        return list(session.exec(select(Todo)))
```

## Use instead
```python
@app.get("/todos")
def list_todos(session: Annotated[Session, Depends(get_session)]) -> list[TodoResponse]:
    return list(session.exec(select(Todo)))
```
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.process import AgentError
from stanchion.gate.queries import reading, readings
from stanchion.gate.subject import Operation, Subject

_STATE = re.compile(r"\b(app|request|websocket|connection)\.state\b")


@rule(
    "C10",
    "A dependency can be overridden",
    severity=Severity.minor,
    kind=Kind.instrumented,
    line=Line.isolation,
)
def database_overridden(subject: Subject) -> Iterator[Finding]:
    """Ask each reading operation of the project's own with all that it depends on overridden."""
    reading(subject)
    for operation, path in readings(subject):
        route = subject.route(operation)
        if route is not None and route.file:
            yield from _beside(subject, operation, path)


def _beside(subject: Subject, operation: Operation, path: str) -> Iterator[Finding]:
    """Give a finding where a statement comes past every override."""
    running = subject.running
    try:
        with running.live.overridden(operation.method, operation.path) as (names, outcome):
            exchange = running.ask(operation, path, read_for=1)
            running.live.inside(exchange)
    except AgentError:
        return  # its function is not to be seen
    # What reads no table, as the SELECT 1 of a health endpoint, is the same from any database.
    read = [
        one
        for one in outcome["statements"]
        if re.search(r"\b(FROM|INTO|UPDATE)\b", one["sql"], re.IGNORECASE)
    ]
    if not read or not outcome["reached"]:
        return
    if outcome["stateful"] or any(_STATE.search(module.text) for module in subject.code):
        raise NotChecked("the database may come from the app's state, which a test can set")
    first = read[0]
    others = ", ".join(name.rpartition(".")[2] for name in names)
    with_these = f"with {others} overridden" if names else "it depends on nothing that could be overridden"
    finding = seen(
        subject,
        operation,
        exchange,
        message="No override of a dependency reaches the database that it reads.",
        figure=f"{with_these}: {first['file']}, line {first['line']} ran {first['sql'][:200]}; then:",
        advice="Get the session by Depends, in the operation or in what it depends on.",
    )
    yield replace(finding, file=first["file"], line=first["line"]) if first["file"] else finding
