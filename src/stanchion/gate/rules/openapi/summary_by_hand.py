"""
# O02: an operation has no words of its own, or its id is another's too

## What it does
Looks for operations with neither a description nor a summary, other than the one that FastAPI makes of the
function's name (`Read Todo`), and for operation ids that are there twice. What a library brings is left out.

## Why it is bad
The list at `/docs` repeats the paths, and says nothing of what an operation does or leaves alone. Operation
ids are the names of the functions in generated clients: of two with one name, one is lost.

## Example
```python
@app.get("/todos/{todo_id}")
def read_todo(todo_id: int) -> Todo:
    return find(todo_id)
```

## Use instead
```python
@app.get("/todos/{todo_id}", summary="Read a todo")
def read_todo(todo_id: int) -> Todo:
    \"""Read one of your todos; everyone else's is a 404.\"""
    return find(todo_id)
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import is_of_library
from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.subject import Operation, Subject


@rule(
    "O02",
    "Every operation is described by hand and has an id of its own",
    severity=Severity.minor,
    kind=Kind.static,
    line=Line.documentation,
)
def summary_by_hand(subject: Subject) -> Iterator[Finding]:
    """Find what FastAPI had to make up, and the ids."""
    first: dict[str, Operation] = {}
    for operation in subject.document.operations:
        if not _described(subject, operation) and not is_of_library(subject, operation):
            summary = operation.spec.get("summary")
            yield Finding(
                message="The operation has no description, and its summary only repeats the function's name."
                if summary
                else "The operation has neither a summary nor a description.",
                verdict=Verdict.proven,
                evidence=f"summary: {summary!r}, no description" if summary else "no summary, no description",
                advice="Say what it does in the function's docstring, or with summary= and description=.",
                **subject.where(operation),
            )
        name = operation.spec.get("operationId")
        if isinstance(name, str) and first.setdefault(name, operation) is not operation:
            yield Finding(
                message=f"The operation has the id of {first[name].name}.",
                verdict=Verdict.proven,
                evidence=f"operationId: {name!r} at {first[name].name} and {operation.name}",
                advice="Give each an operation_id of its own, one method to a route, or function names that "
                "differ where generate_unique_id_function goes by them.",
                **subject.where(operation),
            )


def _described(subject: Subject, operation: Operation) -> bool:
    if str(operation.spec.get("description") or "").strip():
        return True
    summary = str(operation.spec.get("summary") or "").strip()
    generated = {
        route.name.replace("_", " ").title()
        for route in subject.app.routes
        if (route.method, route.path) == (operation.method, operation.path)
    }
    return bool(summary) and summary not in generated
