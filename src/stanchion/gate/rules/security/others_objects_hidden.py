"""
# S07: another user's object cannot be read, changed or deleted

## What it does
Makes two users. The first creates one of each resource; the second reads, changes and deletes it by its
id, then the first looks whether it is still as it was.

## Why it is bad
The first of OWASP's API risks (API1, broken object level authorization): ids are guessed, counted up, and
read off links. Everybody's data is a loop away.

## Example
```python
@app.get("/notes/{note_id}")
async def read_note(note_id: int, user: UserDep) -> Note:
    return await session.get(Note, note_id)
```

## Use instead
```python
query = select(Note).where(Note.id == note_id, Note.owner_id == user.id)
note = (await session.scalars(query)).one_or_none()
if note is None:
    raise HTTPException(404, "Note not found")
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.journey import id_of
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.subject import Subject


@rule(
    "S07",
    "Another user's object is out of reach",
    severity=Severity.critical,
    kind=Kind.live,
    line=Line.authentication,
)
def others_objects_hidden(subject: Subject) -> Iterator[Finding]:
    """Ask as the second user for what the first has made; what is public to read is not judged by this."""
    running = subject.running
    if running.who is None:
        raise NotChecked("no operation declares security", applies=False)
    first, second = running.users
    asked = False
    for resource in running.made():
        if resource.create is None or not any(subject.document.security(resource.create)):
            continue
        made = running.journey.make(resource, first)
        item_id = None if made is None or made.status >= 300 else id_of(made, resource.parameter)
        if made is None or item_id is None:
            continue
        asked = True
        path = resource.item(item_id)
        for operation in (resource.read, *resource.changes, resource.delete):
            if operation is None or not any(subject.document.security(operation)):
                continue
            body = running.journey.change(operation, made) if operation in resource.changes else None
            exchange = running.live.send(operation.method, path, json_body=body, headers=second.headers)
            if exchange.status and exchange.status < 300:
                verb = {"GET": "read", "DELETE": "delete"}.get(operation.method, "change")
                yield seen(
                    subject,
                    operation,
                    exchange,
                    message=f"One user can {verb} what another has made.",
                    figure=f"made by another user: {made.summary}",
                    advice="Narrow every query to the caller, and answer 404 for everyone else's.",
                )
    if not asked:
        raise NotChecked("no protected resource could be made", applies=False)
