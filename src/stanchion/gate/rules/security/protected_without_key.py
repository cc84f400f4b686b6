"""
# S05: a protected operation is closed without a key

## What it does
Asks every operation whose document declares security without any key, and a write of a resource whose
reads are protected. What opens is only suspected where the code asks for the key itself
(`auto_error=False`): FastAPI's document does not tell a sign-in that is optional from one that is a must.

## Why it is bad
The document says that a key is needed, and the app does not ask for one: a dependency that was left out
at one router, or one that lets an empty key through.

## Example
```python
@app.get("/notes", openapi_extra={"security": [{"APIKeyHeader": []}]})
async def list_notes() -> list[Note]: ...
```

## Use instead
```python
@app.get("/notes")
async def list_notes(user: Annotated[User, Depends(get_current_user)]) -> list[Note]: ...
```
"""

from collections.abc import Iterator

from stanchion.gate.doors import let_in
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.subject import Subject


@rule(
    "S05",
    "A protected operation wants a key",
    severity=Severity.critical,
    kind=Kind.live,
    line=Line.authentication,
)
def protected_without_key(subject: Subject) -> Iterator[Finding]:
    """Ask without a key; what is refused for another reason first (404, 422) is no answer to that."""
    yield from let_in(subject, {}, "without a key")
