"""
# C09: no key or password is in the log

## What it does
Signs in and asks with a key and a password that nobody else has, and searches everything that the app
logged and printed for them.

## Why it is bad
Logs are kept for years, copied to vendors and read by many. A key in them is a key that is published.

## Example
```python
log.info("request", headers=dict(request.headers))
```

## Use instead
```python
log.info("request", method=request.method, path=request.url.path)
```
"""

import uuid
from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.sign_in import Identity
from stanchion.gate.subject import Subject


@rule(
    "C09",
    "No secret is logged",
    severity=Severity.critical,
    kind=Kind.instrumented,
    line=Line.events,
)
def secret_not_logged(subject: Subject) -> Iterator[Finding]:
    """Ask with a canary for a key, and look for that and for the passwords that were sent."""
    running = subject.running
    who = running.who
    canary = f"canary-{uuid.uuid4().hex}"
    names = list(who.headers) if who else ["Authorization", "X-API-Key"]
    operation = next((one for one in subject.document.operations if "{" not in one.path), None)
    path = operation.path if operation else "/"
    exchange = running.live.send("GET", path, headers=dict.fromkeys(names, f"Bearer {canary}"), read_for=1)
    secrets = [canary, *(value for value in (who.headers.values() if who else ())), *_passwords(who)]
    (inside,) = running.live.inside(exchange)
    logged = running.printed() + "\n".join(one["text"] for one in inside.get("logs", ()))
    found = next((secret for secret in secrets if secret.removeprefix("Bearer ") in logged), None)
    if found is not None:
        line = next(line for line in logged.splitlines() if found.removeprefix("Bearer ") in line)
        shown = line.replace(found.removeprefix("Bearer "), "[the secret]")
        yield seen(
            subject,
            operation,
            exchange,
            message="A key or a password is in the log.",
            figure=shown.strip()[:300],
            advice="Log the method, the route and the status; redact headers and bodies.",
        )


def _passwords(who: Identity | None) -> list[str]:
    return [value for name, value in (who.credentials if who else {}).items() if "password" in name]
