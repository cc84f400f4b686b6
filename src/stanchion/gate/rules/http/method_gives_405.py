"""
# H10: a method that is not there is answered 405

## What it does
Sends each resource's path `PURGE`, which no path operation can have, and looks for `405` and `Allow`.

## Why it is bad
`404` says that the path is wrong, `500` that the server is; RFC 9110 (15.5.6) wants the methods that
would do in `Allow`, and clients ask for it.

## Example
```python
@app.api_route("/{path:path}", methods=["DELETE"])
async def everything(path: str):
    return {"ok": True}
```

## Use instead
```python
# Nothing: FastAPI answers 405 with Allow by itself.
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.subject import Subject

_METHOD = "PURGE"


@rule(
    "H10",
    "A method that is not there is a 405 with Allow",
    severity=Severity.minor,
    kind=Kind.live,
    line=Line.statuses,
)
def method_gives_405(subject: Subject) -> Iterator[Finding]:
    """Send what nobody can have documented."""
    for resource in subject.running.made():
        headers = dict(subject.running.who.headers) if subject.running.who else {}
        exchange = subject.running.live.send(_METHOD, resource.path, headers=headers)
        if exchange.status != 405:
            message = f"{_METHOD} is no method of this path, and the answer is {exchange.status}."
        elif not exchange.response_headers.get("allow"):
            message = "The 405 does not say in Allow which methods there are (RFC 9110, 15.5.6)."
        else:
            continue
        yield seen(
            subject,
            None,
            exchange,
            message=message,
            advice="Leave unknown methods to FastAPI, or send Allow.",
        )
