"""
# O03: a success response has no model

## What it does
Looks for responses with a 2xx status and JSON whose schema is missing or empty (`{}`). Responses without
content, and those that are no JSON (HTML, files, `text/event-stream`), need none. What a library brings is
left out.

## Why it is bad
Nobody learns from the document what comes back. Nothing is filtered either: what the function returns goes
out whole, the password's hash included.

## Example
```python
@app.get("/users/me")
def read_me(user: CurrentUser):
    return user
```

## Use instead
```python
@app.get("/users/me")
def read_me(user: CurrentUser) -> UserResponse:
    return user
```
"""

import json
from collections.abc import Iterator
from typing import Any

from stanchion.gate.evidence import is_of_library
from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.subject import Operation, Subject

_NO_BODY = ("204", "205")
_SAY_NOTHING = frozenset({"title", "description", "examples", "example", "deprecated"})


@rule(
    "O03",
    "Each success response has a model",
    severity=Severity.major,
    kind=Kind.static,
    line=Line.response_models,
)
def response_models(subject: Subject) -> Iterator[Finding]:
    """Find the empty schemas."""
    for operation in subject.document.operations:
        if operation.method == "HEAD" or is_of_library(subject, operation):  # the first has no body
            continue
        for status, media, schema in _empty(subject, operation):
            yield Finding(
                message=f"The response {status} has no model: the document says nothing of its content.",
                verdict=Verdict.proven,
                evidence=f"responses, {status}, {media}, schema: {json.dumps(schema)}",
                advice="Annotate what the function returns, or name it with response_model=; for what is no "
                "JSON, name response_class=.",
                **subject.where(operation),
            )


def _empty(subject: Subject, operation: Operation) -> Iterator[tuple[str, str, Any]]:
    """Give the status, the media type and the schema of each success response that says nothing."""
    for status, response in operation.spec.get("responses", {}).items():
        if not str(status).startswith("2") or str(status) in _NO_BODY:
            continue
        content = subject.document.resolve(response).get("content", {})
        for media, described in content.items():
            name = str(media).partition(";")[0].strip().lower()
            if name != "application/json" and not name.endswith("+json"):
                continue
            described = subject.document.resolve(described)
            schema = subject.document.resolve(described.get("schema", {}))
            if "itemSchema" not in described and _says_nothing(schema):
                yield str(status), str(media), schema


def _says_nothing(schema: Any) -> bool:
    if isinstance(schema, bool):
        return schema
    return isinstance(schema, dict) and not schema.keys() - _SAY_NOTHING
