"""
# S08: the server's own fields cannot be set by a client

## What it does
Sends a creation what only the server may decide (`id`, `owner_id`, `user_id`, `role`, `is_admin`,
`is_superuser`) and looks whether the answer has it.

What the document offers in the body of the creation is only suspected: a key that clients make, or a `role`
that is no right but a word of what the app is about.

## Why it is bad
Whoever may name the owner writes in another's name; whoever may name the role is an administrator (OWASP
API3, mass assignment).

## Example
```python
@app.post("/users", status_code=201)
async def create_user(user: User) -> User:  # the table is the schema
    session.add(user)
```

## Use instead
```python
class UserCreate(BaseModel):
    model_config = ConfigDict(extra="forbid")

    email: EmailStr
    name: str
```
"""

from collections.abc import Iterator
from typing import Any

from stanchion.gate.evidence import seen
from stanchion.gate.journey import json_schema
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.schemas import whole
from stanchion.gate.subject import Document, Subject

_CLAIMS: dict[str, object] = {
    "id": 987654321,
    "owner_id": 987654321,
    "user_id": 987654321,
    "owner": "stanchion-check",
    "role": "admin",
    "is_admin": True,
    "is_superuser": True,
}
_DEEPEST = 6


@rule(
    "S08",
    "Fields of the server's own cannot be set",
    severity=Severity.critical,
    kind=Kind.live,
    line=Line.inputs,
)
def mass_assignment_refused(subject: Subject) -> Iterator[Finding]:
    """Claim each of them at once, and one by one where unknown fields are refused."""
    running = subject.running
    for resource in running.made():
        first = resource.steps["create"].json
        if resource.create is None or not isinstance(first, dict):
            continue
        offers = set(_offered(subject.document, json_schema(subject.document, resource.create)))
        for name, claimed in _CLAIMS.items():
            # What the schema offers is meant to be chosen, but for a role and the id.
            offered = name in offers
            if first.get(name, claimed) == claimed or (offered and name in ("owner", "owner_id", "user_id")):
                continue
            body = running.journey.body(resource.create)
            if not isinstance(body, dict):
                break  # there is nothing to add a field to
            exchange = running.ask(resource.create, json_body={**body, name: claimed})
            answer = exchange.json
            if exchange.status < 300 and isinstance(answer, dict) and answer.get(name) == claimed:
                yield seen(
                    subject,
                    resource.create,
                    exchange,
                    message=f"A client can choose {name!r}, which is the server's to decide.",
                    advice="Give the creation a schema of its own, without that field.",
                    doubt="the document offers it to clients" if offered else "",
                )


def _offered(document: Document, schema: Any, depth: int = 0) -> Iterator[str]:
    """Give the names that a schema has for fields, in any of its alternatives."""
    if depth > _DEEPEST:
        return
    schema = whole(document, schema)
    yield from schema.get("properties", ())
    for keyword in ("anyOf", "oneOf"):
        for one in schema.get(keyword, ()):
            yield from _offered(document, one, depth + 1)
