"""
# H01: a path has a verb in it

## What it does
Looks for a segment of a path that is a verb (`/todos/create`) or begins with one (`/getTodos`). What is
done to one item (`/todos/{id}/archive`) is no matter, unless the verb only repeats the method. Words that
are nouns too (`/updates`, `/list`) and pages of HTML are left alone.

## Why it is bad
The method is the verb. Where the path says it again, each operation has a path of its own, and whoever
knows one of them cannot guess the others. Caches and proxies, which go by method and path, see strangers.

## Example
```python
@app.get("/getTodos")
@app.post("/todos/create")
```

## Use instead
```python
@app.get("/todos")
@app.post("/todos")
```
"""

import re
from collections.abc import Iterator

from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.subject import Route, Subject

_REPEATS = frozenset({"get", "fetch", "retrieve", "create", "delete", "update"})
"""What the method says already; the others may be an action on one item: `/groups/{id}/add-member`."""
_VERBS = frozenset({"get", "fetch", "retrieve", "create", "delete", "destroy", "remove", "add", "modify"})
"""Never the name of a thing."""
_EITHER = frozenset({"update", "list"})
"""A verb in `/updateTodo`, a noun in `/update-log` and `/list-items`."""
_NOUNS = {
    "add": frozenset({"in", "ins", "on", "ons", "up", "ups"}),
    "create": frozenset({"react"}),
    "delete": frozenset({"event", "events", "job", "jobs", "log", "marker", "markers", "requests"}),
    "fetch": frozenset({"event", "events", "job", "jobs", "log", "logs", "requests"}),
    "get": frozenset({"started", "together", "togethers"}),
    "list": frozenset(
        {"element", "elements", "entries", "entry", "item", "items", "member", "members", "price", "prices"}
        | {"setting", "settings", "type", "types", "view", "views"}
    ),
    "update": frozenset(
        {"channel", "channels", "check", "checks", "event", "events", "feed", "history", "interval", "job"}
        | {"jobs", "log", "logs", "note", "notes", "policies", "policy", "queue", "request", "requests"}
        | {"schedule", "schedules", "script", "scripts", "server", "servers", "setting", "settings"}
        | {"status", "type", "types"}
    ),
}
"""What makes a noun of two words: `/add-ons`, `/update-requests`."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_WRITES = ("POST", "PUT", "PATCH")


@rule(
    "H01",
    "Paths are nouns",
    severity=Severity.minor,
    kind=Kind.static,
    line=Line.rest,
)
def paths_are_nouns(subject: Subject) -> Iterator[Finding]:
    """Find the segments."""
    pages = _pages(subject)
    for route in subject.app.routes:
        # What a library brings (no file) is not the project's to name.
        if not route.in_schema or not route.file or route.operation in pages:
            continue
        found = _verb(route)
        if found is None:
            continue
        segment, verb = found
        yield Finding(
            message=f"The path says {verb!r}, which is for the method to say.",
            verdict=Verdict.suspected,
            operation=route.operation,
            file=route.file,
            line=route.line,
            evidence=f"{route.operation}: /{segment}",
            advice="Name the thing, as in /todos and /todos/{todo_id}, and let GET, POST, PUT, PATCH and "
            "DELETE say what is done to it.",
        )


def _verb(route: Route) -> tuple[str, str] | None:
    """Return the first segment with a verb, and the verb."""
    item = False
    for segment in route.path.split("/"):
        if "{" in segment:
            item = True
            continue
        words = [word.lower() for word in _WORD.findall(segment)]
        if not words:
            continue
        verb, following = words[0], words[1:]
        if verb in _EITHER:
            # Alone, `list` is a noun; `update` is one unless something is written.
            sure = bool(following) if verb == "list" else route.method in _WRITES
        else:
            sure = verb in _VERBS
        if item and verb not in _REPEATS:
            sure = False
        if following and following[0] in _NOUNS.get(verb, ()):
            sure = False
        if sure:
            return segment, verb
    return None


def _pages(subject: Subject) -> frozenset[str]:
    """Return the operations that answer with HTML: their paths are addresses of pages, not of an API."""
    if subject.app.document is None:
        return frozenset()
    return frozenset(
        operation.name
        for operation in subject.document.operations
        for status, response in operation.spec.get("responses", {}).items()
        if str(status).startswith("2")
        and "text/html" in subject.document.resolve(response).get("content", {})
    )
