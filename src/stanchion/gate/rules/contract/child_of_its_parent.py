"""
# T04: a child is not reachable through another parent

## What it does
Where one collection lies under the items of another (`/projects/{project_id}/tasks`), makes two parents and
a child of the first. The child is read, changed and deleted by the path of the second. What was read must be
the child itself, and what was changed or deleted is looked at under its own parent: an answer that only says
so proves nothing. That the child is there by its own path is seen first.

## Why it is bad
Whoever checks the rights on the parent and then takes the child by its id alone has checked nothing: with a
project of one's own, everybody's tasks can be read and deleted (OWASP API1). And caches, links and logs name
a parent that is the wrong one.

## Example
```python
@app.get("/projects/{project_id}/tasks/{task_id}")
def read_task(project_id: int, task_id: int, session: SessionDep) -> Task:
    return session.get(Task, task_id)
```

## Use instead
```python
query = select(Task).where(Task.id == task_id, Task.project_id == project_id)
task = session.scalars(query).one_or_none()
if task is None:
    raise HTTPException(404, "Task not found")
```
"""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from stanchion.gate.evidence import seen
from stanchion.gate.journey import Resource, id_of
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.running import Running
from stanchion.gate.subject import Document, Operation, Subject

_NESTED = re.compile(r"(?P<above>[^{}]*)/\{(?P<parent>\w+)\}/(?P<between>[^{}]+)/\{(?P<child>\w+)\}")
_DEEPEST = 3


@dataclass(frozen=True)
class _Pair:
    """A collection, and the one under each of its items; the paths of `children` hold both parameters."""

    parents: Resource
    children: Resource


@dataclass(frozen=True)
class _Family:
    """A child, its parent, and another parent."""

    running: Running
    pair: _Pair
    parent: Any
    stranger: Any
    child: Any
    sent: dict[str, Any]

    def ask(self, operation: Operation, parent: Any, json_body: Any = None) -> Exchange:
        """Ask an operation of the child, or of all children, under this parent."""
        path = _filled(operation.path, self.pair.parents.parameter, parent)
        path = _filled(path, self.pair.children.parameter, self.child)
        return self.running.ask(operation, path, json_body=json_body)

    def look(self) -> tuple[Exchange, dict[str, Any] | None] | None:
        """Look at the child under its own parent; None as the child where it is not there.

        None where nothing tells: no operation reads it, or that answers neither with success nor 404.
        """
        operation = self.pair.children.read or self.pair.children.listing
        if operation is None:
            return None
        exchange = self.ask(operation, self.parent)
        if exchange.status in (404, 410) and operation is self.pair.children.read:
            return exchange, None
        if not 200 <= exchange.status < 300:
            return None
        return exchange, self.of(exchange)

    def of(self, exchange: Exchange) -> dict[str, Any] | None:
        """Return the child as this answer has it."""
        waiting = [(exchange.json, 0)]
        while waiting:
            node, depth = waiting.pop(0)
            if isinstance(node, dict) and any(
                str(node.get(name)) == str(self.child)
                for name in ("id", self.pair.children.parameter, "uuid", "_id")
            ):
                return node
            inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
            if depth < _DEEPEST:
                waiting += [(one, depth + 1) for one in inner]
        return None

    def body(self, operation: Operation, created: Exchange) -> Any:
        """Return a body for a change; where it names the parent, that is its own."""
        return _of_parent(self.running.journey.change(operation, created), self.pair, self.parent)


@rule(
    "T04",
    "A child is reached through its own parent alone",
    severity=Severity.major,
    kind=Kind.live,
    line=Line.not_found,
)
def child_of_its_parent(subject: Subject) -> Iterator[Finding]:
    """Ask for the child of one parent by the path of another."""
    pairs = list(_pairs(subject.document))
    if not pairs:
        raise NotChecked("no collection lies under the items of another", applies=False)
    whys = []
    for pair in pairs:
        whys.append((yield from _judged(subject, pair)))
    if all(whys):
        raise NotChecked(f"{pairs[0].children.path}: {whys[0]}")


def _pairs(document: Document) -> Iterator[_Pair]:
    """Find the collections under the items of another, where both can be added to."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in document.operations:
        by_path.setdefault(operation.path.rstrip("/"), {})[operation.method] = operation
    for path, items in by_path.items():
        nested = _NESTED.fullmatch(path)
        if nested is None or not items.keys() & {"GET", "PATCH", "PUT", "DELETE"}:
            continue
        parent_path = f"{nested['above']}/{{{nested['parent']}}}"
        create = by_path.get(nested["above"], {}).get("POST")
        inner = by_path.get(f"{parent_path}/{nested['between']}", {})
        if create is None or "POST" not in inner:
            continue
        children = Resource(
            path=inner["POST"].path,
            item_path=next(iter(items.values())).path,
            parameter=nested["child"],
            create=inner["POST"],
            listing=inner.get("GET"),
            read=items.get("GET"),
            changes=[items[method] for method in ("PATCH", "PUT") if method in items],
            delete=items.get("DELETE"),
        )
        yield _Pair(Resource(create.path, parent_path, nested["parent"], create), children)


def _judged(subject: Subject, pair: _Pair) -> Generator[Finding, None, str]:
    """Give what is wrong with a pair, and return why it could not be looked at."""
    running = subject.running
    parent, stranger = (_made(running.journey.make(pair.parents), pair.parents) for _ in range(2))
    if None in (parent, stranger) or parent == stranger:
        return "two parents could not be made"
    body = _of_parent(running.journey.body(pair.children.create), pair, parent)
    assert pair.children.create is not None
    path = _filled(pair.children.path, pair.parents.parameter, parent)
    created = running.ask(pair.children.create, path, json_body=body)
    child = _made(created, pair.children)
    if child is None:
        return "a child could not be made"
    family = _Family(running, pair, parent, stranger, child, body if isinstance(body, dict) else {})
    looked = family.look()
    if looked is None or looked[1] is None:
        return "the child is not seen under its own parent"
    figure = f"made under {parent}, asked for under {stranger}; under {parent} it is now"
    for found in (_read(family, looked[1]), *_changed(family, created), _deleted(family)):
        if found is not None:
            operation, exchange, verb, proof = found
            yield seen(
                subject,
                operation,
                exchange,
                message=f"A child can be {verb} through a parent that is not its own.",
                figure=f"{figure}: {proof.summary}",
                advice="Narrow the query to both ids, and answer 404 for the child of another parent.",
            )
    return ""


_Found = tuple[Operation, Exchange, str, Exchange]


def _read(family: _Family, own: dict[str, Any]) -> _Found | None:
    """Read it under the other parent: what comes back must be the same thing."""
    operation = family.pair.children.read
    if operation is None:
        return None
    exchange = family.ask(operation, family.stranger)
    answered = family.of(exchange) if 200 <= exchange.status < 300 else None
    names = [name for name in family.sent if name in own] or list(own)
    if answered is None or any(answered.get(name) != own[name] for name in names):
        return None
    return operation, exchange, "read", family.ask(operation, family.parent)


def _changed(family: _Family, created: Exchange) -> Iterator[_Found]:
    """Change it under the other parent, and look at it under its own."""
    for operation in family.pair.children.changes:
        body, before = family.body(operation, created), family.look()
        if not isinstance(body, dict) or before is None or before[1] is None:
            continue
        exchange = family.ask(operation, family.stranger, body)
        after = family.look()
        if not 200 <= exchange.status < 300 or after is None or after[1] is None:
            continue
        old, new = before[1], after[1]
        if any(name in new and new[name] == value != old.get(name) for name, value in body.items()):
            yield operation, exchange, f"changed ({operation.method})", after[0]


def _deleted(family: _Family) -> _Found | None:
    """Delete it under the other parent, and look for it under its own."""
    operation, before = family.pair.children.delete, family.look()
    if operation is None or before is None or before[1] is None:
        return None
    exchange = family.ask(operation, family.stranger)
    after = family.look()
    if not 200 <= exchange.status < 300 or after is None or after[1] is not None:
        return None
    return operation, exchange, "deleted", after[0]


def _made(exchange: Exchange | None, resource: Resource) -> Any:
    """Return the id of what was made; None where nothing was."""
    if exchange is None or not 200 <= exchange.status < 300:
        return None
    return id_of(exchange, resource.parameter)


def _filled(path: str, parameter: str, value: Any) -> str:
    return path.replace(f"{{{parameter}}}", quote(str(value), safe=""))


def _of_parent(body: Any, pair: _Pair, parent: Any) -> Any:
    """Return the body, with the parent's id where it has a field for it."""
    if not isinstance(body, dict) or pair.parents.parameter not in body:
        return body
    return {**body, pair.parents.parameter: parent}
