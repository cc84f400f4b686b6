"""
# H11: error bodies have one shape

## What it does
Collects the errors of the journey, of a path that is not there and of a body that is wrong, and compares
their media types and the names at the top of their bodies.

## Why it is bad
A client needs one function that reads an error. Two shapes mean two, and the second is found in
production, as an unreadable message.

## Example
```python
return JSONResponse({"message": "Todo not found"}, status_code=404)  # beside {"detail": ...}
```

## Use instead
```python
raise HTTPException(404, "Todo not found")  # everywhere, or RFC 9457 everywhere
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.subject import Subject


@rule(
    "H11",
    "Errors have one shape",
    severity=Severity.minor,
    kind=Kind.live,
    line=Line.errors,
)
def errors_have_one_shape(subject: Subject) -> Iterator[Finding]:
    """Compare what all errors share: a list of places may come on top."""
    running = subject.running
    exchanges = [one for resource in running.made() for one in resource.steps.values()]
    exchanges.append(running.live.send("GET", "/stanchion-check-no-such-path"))
    for resource in running.made():
        if resource.create:
            exchanges.append(running.ask(resource.create, json_body=[]))
    errors = [one for one in exchanges if 400 <= one.status < 500 and one.content]
    first, *others = errors
    for other in others:
        if _shape(other) != _shape(first):
            yield seen(
                subject,
                None,
                other,
                message=f"This is {_words(other)}; what {first.method} {first.path} got is {_words(first)}.",
                advice="Raise one family of exceptions, and shape them in one handler.",
            )
            return


def _shape(exchange: Exchange) -> tuple[str, frozenset[str]]:
    body = exchange.json
    names = frozenset(body) if isinstance(body, dict) else frozenset({type(body).__name__})
    return exchange.media_type, names - {"errors", "code", "context"}


def _words(exchange: Exchange) -> str:
    media_type, names = _shape(exchange)
    return f"{media_type or 'of no type'} with {', '.join(sorted(names)) or 'nothing'}"
