"""
# S08: the server's own fields cannot be set by a client

## What it does
Sends a creation what only the server may decide (`id`, `owner_id`, `user_id`, `role`, `is_admin`,
`is_superuser`) and looks whether the answer has it.

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

from stanchion.gate.evidence import seen
from stanchion.gate.journey import json_schema
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.subject import Subject

_CLAIMS: dict[str, object] = {
    "id": 987654321,
    "owner_id": 987654321,
    "user_id": 987654321,
    "owner": "stanchion-check",
    "role": "admin",
    "is_admin": True,
    "is_superuser": True,
}


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
        schema = subject.document.resolve(json_schema(subject.document, resource.create) or {})
        for name, claimed in _CLAIMS.items():
            # What the schema offers is meant to be chosen, but for a role and the id.
            offered = name in schema.get("properties", {})
            if name not in first or (offered and name in ("owner", "owner_id", "user_id")):
                continue
            body = running.journey.body(resource.create)
            exchange = running.ask(resource.create, json_body={**body, name: claimed})
            answer = exchange.json
            if exchange.status < 300 and isinstance(answer, dict) and answer.get(name) == claimed:
                yield seen(
                    subject,
                    resource.create,
                    exchange,
                    message=f"A client can choose {name!r}, which is the server's to decide.",
                    advice="Give the creation a schema of its own, without that field.",
                )
