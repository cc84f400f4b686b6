"""
# O01: the OpenAPI document is not valid

## What it does
Validates the document with openapi-spec-validator: its form, its schemas, their defaults, and whether the
parameters of each path are documented. Operation ids that are not unique are left to O02.

## Why it is bad
Generators of clients, tests and documentation stop at it, or do something else than the app does.

## Example
```python
@app.get("/todos/{todo_id}")
def read_todo() -> Todo:  # the path has a parameter that is documented nowhere
```

## Use instead
```python
@app.get("/todos/{todo_id}")
def read_todo(todo_id: int) -> Todo:
```
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, Verdict, rule
from stanchion.gate.subject import Subject

_LONGEST = 300
_MOST = 20
"""Findings: one fault in a shared schema may be told many times."""


@rule(
    "O01",
    "The OpenAPI document is valid",
    severity=Severity.major,
    kind=Kind.static,
    line=Line.openapi,
)
def valid_document(subject: Subject) -> Iterator[Finding]:
    """Ask the validator."""
    told: set[str] = set()
    for error in _errors(_without_item_schemas(dict(subject.document.content))):
        evidence = _evidence(error)
        if evidence in told:
            continue
        told.add(evidence)
        yield Finding(
            message="The OpenAPI document is not valid.",
            verdict=Verdict.proven,
            evidence=evidence,
            advice="Correct what puts this into the document: the path and its function's parameters, "
            "openapi_extra, responses, json_schema_extra, or a custom openapi().",
            **_place(subject, error),
        )
        if len(told) == _MOST:
            return


def _without_item_schemas(content: dict[str, Any]) -> dict[str, Any]:
    """Take out what FastAPI writes for its own streams: a keyword of OpenAPI 3.2 in a document of 3.1.

    Clients pass over it, and no app can do otherwise.
    """
    if not str(content.get("openapi", "")).startswith("3.1"):
        return content
    copy = json.loads(json.dumps(content))
    for item in copy.get("paths", {}).values():
        for operation in item.values() if isinstance(item, dict) else ():
            responses = operation.get("responses", {}) if isinstance(operation, dict) else {}
            for response in responses.values():
                for media in response.get("content", {}).values() if isinstance(response, dict) else ():
                    media.pop("itemSchema", None)
    found: dict[str, Any] = copy
    return found


def _errors(content: dict[str, Any]) -> Iterable[Any]:
    try:
        from openapi_spec_validator.shortcuts import get_validator_cls
        from openapi_spec_validator.validation.exceptions import (
            DuplicateOperationIDError,
            ValidatorDetectError,
        )
    except ImportError as exc:
        raise NotChecked("openapi-spec-validator is not installed: install stanchion[check]") from exc
    try:
        validator = get_validator_cls(content)(content)
    except ValidatorDetectError as exc:
        raise NotChecked(f"there is no validator for OpenAPI {content.get('openapi')!r}") from exc
    faults = []
    try:
        for error in validator.iter_errors():
            if not isinstance(error, DuplicateOperationIDError):
                faults.append(error)
    except Exception as exc:
        # Where the form is wrong the validator may trip over it later; what it has said stands.
        if not faults:
            raise NotChecked(f"the validator failed ({type(exc).__name__}: {exc})") from exc
    return faults


def _evidence(error: Any) -> str:
    """Return the validator's words, and where in the document; of alternatives, the nearest."""
    path = list(error.absolute_path)
    while error.context:
        error = max(error.context, key=lambda one: len(one.absolute_path))
        path = list(error.absolute_path)
    where = "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in path)
    words = str(error.message)
    if len(words) > _LONGEST:
        # It begins with the whole of what is wrong: `{...} is not valid under any of the given schemas`.
        words = f"{words[: _LONGEST // 2]} ... {words[-_LONGEST // 2 :]}"
    return f"#/{where}: {words}" if where else words


def _place(subject: Subject, error: Any) -> dict[str, Any]:
    path = [str(part) for part in error.absolute_path]
    for operation in subject.document.operations:
        at = ["paths", operation.path, operation.method.lower()]
        # The validator's own checks have no path, but say: 'get' operation in '/todos/{todo_id}'.
        said = f"'{operation.method.lower()}' operation in '{operation.path}'"
        if path[:3] == at or (not path and said in error.message):
            return subject.where(operation)
    return {"file": subject.app.file or subject.app.entry}
