"""
# T05: nothing breaks the clients of the last release

## What it does
Compares the app's OpenAPI document with that of the last release, a JSON file that
`[tool.stanchion.check] against = "openapi.json"` in pyproject.toml or `--against openapi.json` names. It
reports what a client of then can no longer rely on: an operation, a success status or a media type that is
gone, a key that is wanted now, a parameter or property of a request that became required, and types, enums,
formats and bounds of a request that take less; properties of an answer that are gone or may be missing, and
types and formats that hold more. What is only added is not reported.

What breaks is [oasdiff](https://github.com/oasdiff/oasdiff)'s judgement; its warnings are suspicions here: an
optional property or parameter that is gone, a value more in an answer's enum, another pattern. What was
deprecated may go. Not judged are the bounds of answers, their headers, and the answers of errors.

## Why it is bad
Clients are released on another day than the backend, apps on a phone months later. Each of these changes is
an exception in a client that nobody touched.

## Example
```python
class TodoCreate(BaseModel):
    title: str
    priority: int  # new, and required
```

## Use instead
```python
class TodoCreate(BaseModel):
    title: str
    priority: int = 0
```

Where it has to break, give it a path of its own (`/v2`) and keep the old one until nobody asks for it. At
each release, write the document to the file again.
"""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stanchion.gate.changes import Change, breaking
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, Verdict, rule
from stanchion.gate.subject import Document, Subject


@rule(
    "T05",
    "Nothing breaks the last release's clients",
    severity=Severity.major,
    kind=Kind.static,
    line=Line.openapi,
)
def no_breaking_change(subject: Subject) -> Iterator[Finding]:
    """Compare the documents; each change is one finding, however many operations have it."""
    path = subject.against or _configured(subject)
    if path is None:
        raise NotChecked("no baseline document: name the last release's with --against", applies=False)
    for change in breaking(_read(path), subject.document):
        yield Finding(
            message=change.message,
            verdict=Verdict.proven if change.certain else Verdict.suspected,
            **subject.where(change.operations[0]),
            evidence=_evidence(change, path),
            advice="Keep what clients rely on, and add what is new beside it or under a path of its own.",
        )


def _configured(subject: Subject) -> Path | None:
    """Return the file that pyproject.toml names."""
    if subject.source is None:
        return None
    try:
        found: Any = tomllib.loads(subject.source.read("pyproject.toml") or "")
    except tomllib.TOMLDecodeError as exc:
        raise NotChecked(f"pyproject.toml cannot be read ({exc})") from exc
    for name in ("tool", "stanchion", "check", "against"):
        found = found.get(name) if isinstance(found, dict) else None
    if found is None:
        return None
    if not isinstance(found, str):
        raise NotChecked('[tool.stanchion.check] against is the name of a file: against = "openapi.json"')
    return subject.source.root / found


def _read(path: Path) -> Document:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as exc:
        raise NotChecked(f"the baseline {path.name} cannot be read ({exc.strerror})") from exc
    except ValueError as exc:
        raise NotChecked(f"the baseline {path.name} is no JSON ({exc})") from exc
    is_object = isinstance(content, dict)
    if (
        not is_object
        or not isinstance(content.get("openapi"), str)
        or not isinstance(content.get("paths"), dict)
    ):
        raise NotChecked(f"the baseline {path.name} is no OpenAPI document")
    return Document(content)


def _evidence(change: Change, path: Path) -> str:
    lines = [f"{path.name}: {change.before}", f"now: {change.after}"]
    if others := [one.name for one in change.operations[1:]]:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        lines.append(f"also in {', '.join(others[:5])}{more}")
    return "\n".join(lines)
