"""
# S10: no password or hash is in an answer

## What it does
Signs up, reads what it may, and searches the answers for the password, for a field named like one, and for
the form of a hash (Argon2, bcrypt, scrypt, PBKDF2). Where the request was refused it is only suspected: a 422
that FastAPI made itself shows what it refuses, which is no password of anybody's.

## Why it is bad
An answer is logged by proxies, kept by caches and shown by debuggers. A hash can be guessed offline; a
password needs no guessing.

## Example
```python
@app.post("/users", status_code=201)
async def create_user(body: UserCreate) -> User: ...  # the table, hashed_password included
```

## Use instead
```python
@app.post("/users", status_code=201)
async def create_user(body: UserCreate) -> UserResponse: ...
```
"""

import re
from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.journey import json_schema
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.subject import Operation, Subject

_HASH = re.compile(r"\$argon2|\$2[aby]\$\d\d\$|\$scrypt\$|pbkdf2[_:]sha", re.IGNORECASE)
_NAMED = re.compile(r'"(hashed_?)?(password|passwd|password_?hash|pwd)"\s*:\s*"(?!\*+")', re.IGNORECASE)


@rule(
    "S10",
    "A password is not sent back",
    severity=Severity.critical,
    kind=Kind.live,
    line=Line.authentication,
)
def password_not_echoed(subject: Subject) -> Iterator[Finding]:
    """Search what sign-up and the readings after it answer."""
    running = subject.running
    takers = [one for one in subject.document.operations if one.method == "POST" and _takes(subject, one)]
    if not takers:
        raise NotChecked("no operation takes a password", applies=False)
    reads = [one for one in subject.document.operations if one.method == "GET" and "{" not in one.path]
    reported = set()
    for operation in (*takers, *reads):
        body = running.journey.body(operation) if operation in takers else None
        exchange = running.ask(operation, json_body=body, read_for=1)
        text = exchange.content.decode("utf-8", "replace")
        sent = [
            value for name, value in (body or {}).items() if "password" in name and isinstance(value, str)
        ]
        found = _HASH.search(text) or _NAMED.search(text)
        echoed = found or any(len(value) > 5 and value in text for value in sent)
        if echoed and exchange.status < 500 and operation.name not in reported:
            reported.add(operation.name)
            yield seen(
                subject,
                operation,
                exchange,
                message="A password, or its hash, is in the answer.",
                advice="Give the operation a response model without it.",
                doubt="" if 200 <= exchange.status < 300 else "the request was refused",
            )


def _takes(subject: Subject, operation: Operation) -> bool:
    schema = subject.document.resolve(json_schema(subject.document, operation) or {})
    return any("password" in name.lower() for name in schema.get("properties", {}))
