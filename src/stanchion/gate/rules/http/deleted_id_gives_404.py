"""
# H05: what was deleted is answered 404

## What it does
Creates one of each resource, deletes it, and reads it again.

## Why it is bad
A client that deletes something and still reads it shows what is no more, and whoever asked for the
deletion was told that it happened.

## Example
```python
@app.delete("/todos/{todo_id}", status_code=204)
def delete_todo(todo_id: int) -> None:
    flag_as_deleted(todo_id)  # and nothing else looks at the flag
```

## Use instead
```python
todo = session.get(Todo, todo_id)
if todo is None or todo.deleted_at:
    raise HTTPException(404, "Todo not found")
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.subject import Subject


@rule(
    "H05",
    "A deleted id is a 404",
    severity=Severity.major,
    kind=Kind.live,
    line=Line.not_found,
)
def deleted_id_gives_404(subject: Subject) -> Iterator[Finding]:
    """Look at the reading after the deletion; where that itself failed there is nothing to look at."""
    asked = False
    for resource in subject.running.made():
        deleted, after = resource.steps.get("delete"), resource.steps.get("read after delete")
        if deleted is None or after is None or deleted.status >= 300 or deleted.status == 202:
            continue
        asked = True
        if after.status not in (404, 410):
            yield seen(
                subject,
                resource.read,
                after,
                message=f"It was deleted ({deleted.status}), and reading it is answered {after.status}.",
                advice="Delete the row, or leave deleted ones out of every query.",
            )
    if not asked:
        raise NotChecked("nothing can be deleted and read", applies=False)
