"""
# O04: each status and body that was seen is documented

## What it does
Compares every answer of the journey with the document: its status must be there, and a JSON body must fit
the schema.

## Why it is bad
Clients are generated from the document. A status that is not in it is an exception that nobody catches.

## Example
```python
@app.get("/todos/{todo_id}")
def read_todo(todo_id: int) -> Todo:
    raise HTTPException(404)
```

## Use instead
```python
@app.get("/todos/{todo_id}", responses={404: {"model": ErrorResponse}})
```
"""

from collections.abc import Iterator

from jsonschema import Draft202012Validator

from stanchion.gate.evidence import seen
from stanchion.gate.forms import is_json
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.subject import Document, Operation, Subject


@rule(
    "O04",
    "What is answered is documented",
    severity=Severity.major,
    kind=Kind.live,
    line=Line.openapi,
)
def observed_is_documented(subject: Subject) -> Iterator[Finding]:
    """Compare, and report each operation and status once."""
    reported = set()
    resources = subject.running.journey.resources
    # Also where the answer does not tell the id: it was made, and the answer may be wrong.
    answered = [one for one in resources if (made := one.steps.get("create")) and 200 <= made.status < 300]
    for resource in answered or subject.running.made():
        steps: list[tuple[Operation | None, Exchange]] = []
        for name, exchange in resource.steps.items():
            kinds = {"create": resource.create, "list": resource.listing, "delete": resource.delete}
            kinds |= {one.method: one for one in resource.changes}
            kinds |= {"delete missing": resource.delete, "read missing": resource.read, "read": resource.read}
            kinds |= {f"{one.method} missing": one for one in resource.changes}
            steps.append((kinds.get(name), exchange))
        for operation, exchange in steps:
            if operation is None or not exchange.status or (operation.name, exchange.status) in reported:
                continue
            reported.add((operation.name, exchange.status))
            if (wrong := _mismatch(subject.document, operation, exchange)) is not None:
                yield seen(
                    subject,
                    operation,
                    exchange,
                    message=wrong,
                    advice="Document it with `responses={...}`, or answer what is documented.",
                )


def _mismatch(document: Document, operation: Operation, exchange: Exchange) -> str | None:
    responses = operation.spec.get("responses", {})
    said = next(
        (
            responses[one]
            for one in (str(exchange.status), f"{exchange.status // 100}XX", "default")
            if one in responses
        ),
        None,
    )
    if said is None:
        return f"It answers {exchange.status}, which the document does not have."
    content = document.resolve(said).get("content", {})
    if not exchange.content or not content:
        return None
    media = content.get(exchange.media_type)
    if media is None:
        kind = exchange.media_type or "no type"
        return f"It answers {exchange.status} as {kind}, which the document does not have."
    if not is_json(exchange.media_type) or "schema" not in media:
        return None
    whole = {**media["schema"], "components": document.content.get("components", {})}
    problem = next(Draft202012Validator(whole).iter_errors(exchange.json), None)
    if problem is None:
        return None
    place = ".".join(map(str, problem.absolute_path)) or "the body"
    return f"The answer does not fit its schema at {place}: {problem.message[:120]}."
