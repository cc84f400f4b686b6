"""
# S07: another user's object cannot be read, changed or deleted

## What it does
Makes two users. The first creates one of each resource; the second reads, changes and deletes it by its
id, then the first looks whether it is still as it was.

Proven is what the app itself says to be somebody's: the first user's list shows it and the second's does
not, or the answer names an owner (`owner_id`, `user_id`, `created_by`, ...) who is another for each user. The
rest is suspected: what a team shares, as a catalogue, has no owner; and what every user's list shows may be
read by all, whoever has written it.

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

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from stanchion.gate.evidence import seen
from stanchion.gate.journey import Resource, id_of, is_listed
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.sign_in import Identity
from stanchion.gate.subject import Operation, Subject

_OWNER = re.compile(r"(owner|user)(_?id|_?uuid|_?name|_?email)?", re.IGNORECASE)
_AUTHOR = re.compile(
    r"(author|creator|account|customer|created_?by|added_?by)(_?id|_?uuid|_?name|_?email)?", re.IGNORECASE
)


@dataclass(frozen=True)
class _Thing:
    """What the first user has made, and what says that it is theirs."""

    subject: Subject
    resource: Resource
    first: Identity
    second: Identity
    made: Exchange
    item_id: Any

    @property
    def path(self) -> str:
        """Return its path."""
        return self.resource.item(self.item_id)

    def shown_to(self, who: Identity) -> bool | None:
        """Tell whether somebody's list has it; None where there is no list."""
        if self.resource.listing is None:
            return None
        listed = self.subject.running.live.send("GET", self.resource.path, headers=who.headers)
        return is_listed(listed, self.resource.parameter, self.item_id) if listed.status == 200 else None

    def names_owner(self, pattern: re.Pattern[str], others: Exchange | None) -> bool:
        """Tell whether a field of such a name, which nobody sent, has the first user or differs by user."""
        logins = [self.first.login, *self.first.credentials.values()]
        theirs = {} if others is None else _fields(others.json)
        for name, value in _fields(self.made.json).items():
            if name in _fields(self.made.sent_json) or not pattern.fullmatch(name) or not value:
                continue
            if value in logins or theirs.get(name) not in (None, value):
                return True
        return False

    def doubts(self) -> tuple[str, str]:
        """Return why it may be meant to be read by others, and why to be changed by them."""
        mine, theirs = (self.shown_to(who) for who in (self.first, self.second))
        if mine and theirs is False:
            return "", ""
        others = self.subject.running.journey.make(self.resource, self.second)
        is_owned = self.names_owner(_OWNER, others) or (not theirs and self.names_owner(_AUTHOR, others))
        shared = "" if is_owned else "nothing says whose it is: users may share it"
        return shared or ("every user's list shows it" if theirs else ""), shared

    def read(self) -> Exchange | None:
        """Return how the first user reads it; None where it is not read."""
        if self.resource.read is None:
            return None
        return self.subject.running.live.send("GET", self.path, headers=self.first.headers)

    def taken(self, operation: Operation) -> Exchange | None:
        """Return the answer to the second user, where that has read, changed or deleted it."""
        running = self.subject.running
        is_change = operation in self.resource.changes
        body = running.journey.change(operation, self.made) if is_change else None
        before = self.read()
        exchange = running.live.send(operation.method, self.path, json_body=body, headers=self.second.headers)
        if not 200 <= exchange.status < 300:
            return None
        if operation is self.resource.read:
            is_it = before is not None and exchange.content == before.content
            return exchange if is_it or id_of(exchange, self.resource.parameter) == self.item_id else None
        after = self.read()
        if before is not None and after is not None and _state(before) == _state(after):
            return None  # it was answered, and nothing was done
        return exchange


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
        yield from _judged(subject, _Thing(subject, resource, first, second, made, item_id))
    if not asked:
        raise NotChecked("no protected resource could be made", applies=False)


def _judged(subject: Subject, thing: _Thing) -> Iterator[Finding]:
    resource = thing.resource
    of_reading, of_change = thing.doubts()
    for operation in (resource.read, *resource.changes, resource.delete):
        if operation is None or not any(subject.document.security(operation)):
            continue
        exchange = thing.taken(operation)
        if exchange is None:
            continue
        verb = {"GET": "read", "DELETE": "delete"}.get(operation.method, "change")
        yield seen(
            subject,
            operation,
            exchange,
            message=f"One user can {verb} what another has made.",
            figure=f"made by another user: {thing.made.summary}",
            after=thing.made,
            advice="Narrow every query to the caller, and answer 404 for everyone else's.",
            doubt=of_reading if operation is resource.read else of_change,
        )


def _fields(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _state(exchange: Exchange) -> tuple[int, bytes]:
    return exchange.status, exchange.content
