"""
# L02: an engine and a session dependency

## What it does
Where SQLAlchemy or SQLModel is imported, looks for an engine, and for a dependency of the path operations
that has to do with a session.

## Why it is bad
A session that each path operation opens by itself is closed by some, committed by others, and replaced by
none in a test.

## Example
```python
@app.get("/todos")
def list_todos():
    with Session(engine) as session: ...
```

## Use instead
```python
def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session

@app.get("/todos")
def list_todos(session: Annotated[Session, Depends(get_session)]): ...
```
"""

import re
from collections.abc import Iterator

from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, Verdict, rule
from stanchion.gate.subject import Subject

_SESSION = re.compile(r"session|database|(^|[._])db($|_)|transaction|unit_of_work|uow|repo", re.IGNORECASE)


@rule(
    "L02",
    "There is an engine and a session dependency",
    severity=Severity.minor,
    kind=Kind.static,
    line=Line.database,
)
def session_dependency(subject: Subject) -> Iterator[Finding]:
    """Look at the names of all that the path operations depend on."""
    importing = [one for one in subject.code if one.imports & {"sqlalchemy", "sqlmodel"}]
    if not importing:
        raise NotChecked("neither SQLAlchemy nor SQLModel is imported", applies=False)
    names = {name for route in subject.app.routes for name in route.dependencies}
    if not any(_SESSION.search(name) for name in names):
        yield Finding(
            message="No path operation depends on a session.",
            verdict=Verdict.suspected,
            file=importing[0].path,
            evidence=f"dependencies: {', '.join(sorted(names)) or 'none'}",
            advice="Yield the session from one dependency, and let the path operations depend on it.",
        )
