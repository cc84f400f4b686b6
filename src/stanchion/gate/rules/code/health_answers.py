"""
# C11: a health endpoint answers

## What it does
Asks the usual paths (`/health`, `/healthz`, `/health/live`, `/livez`, `/ready`, `/status`, `/ping`) and any
path of the document with a part of such a name: `/api/health-check`, not `/shipping`.

## Why it is bad
A load balancer without one sends requests to a process that is starting or dying.

## Example
```python
app = FastAPI()  # and the load balancer asks for /
```

## Use instead
```python
@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "healthy"}
```
"""

import re
from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.subject import Subject

_NAMED = re.compile(
    r"/(([\w-]*[_-])?health([zy]|check)?([_-][\w-]*)?|readyz?|readiness|livez?|liveness|alive|ping|heartbeat)(/|$)",
    re.IGNORECASE,
)
_WORDS = re.compile(r"\bhealth|\balive\b|\bheartbeat\b|\b(live|readi)ness\b", re.IGNORECASE)
_PATHS = (
    "/health",
    "/healthz",
    "/health/live",
    "/health/ready",
    "/livez",
    "/readyz",
    "/ready",
    "/status",
    "/ping",
)


@rule(
    "C11",
    "There is a health endpoint",
    severity=Severity.minor,
    kind=Kind.live,
    line=Line.entry,
)
def health_answers(subject: Subject) -> Iterator[Finding]:
    """Ask until one answers 200."""
    named = [one.path for one in subject.document.operations if _NAMED.search(one.path)]
    named += [
        one.path
        for one in subject.document.operations
        if one.method == "GET" and "{" not in one.path and _WORDS.search(str(one.spec.get("summary", "")))
    ]
    for path in (*named, *_PATHS):
        exchange = subject.running.live.send("GET", path)
        if exchange.status == 200:
            return
    yield seen(
        subject,
        None,
        subject.running.live.send("GET", "/health"),
        message="No health endpoint answers.",
        advice="Add GET /health, without a key, and one that asks the database for readiness.",
    )
