"""The journey: what a client does with each kind of thing, from its creation to after its end."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from stanchion.gate.live import Exchange, Live
from stanchion.gate.sign_in import Identity
from stanchion.gate.subject import Document, Operation
from stanchion.gate.values import Values

_MISSING = ("4294967000", "00000000-0000-4000-8000-00000000dead", "no-such-thing")
"""Ids that nothing has: for an integer, a UUID and a text."""


@dataclass
class Resource:
    """A kind of thing: the operations of its collection and of its items."""

    path: str
    item_path: str
    parameter: str
    create: Operation | None = None
    listing: Operation | None = None
    read: Operation | None = None
    changes: list[Operation] = field(default_factory=list)
    delete: Operation | None = None
    steps: dict[str, Exchange] = field(default_factory=dict)
    """What was done, by name: create, list, read, PATCH, PUT, delete, read after delete, ..."""
    why: str = ""
    """Why nothing of it could be made."""

    @property
    def name(self) -> str:
        """Return `todos` of `/api/todos`."""
        return self.path.rstrip("/").rpartition("/")[2]

    def item(self, item_id: object) -> str:
        """Return the path of one item."""
        return self.item_path.replace(f"{{{self.parameter}}}", quote(str(item_id), safe=""))


def resources(document: Document) -> list[Resource]:
    """Find the resources of a document: a collection that things are added to, and its items' path."""
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in document.operations:
        by_path.setdefault(operation.path.rstrip("/") or "/", {})[operation.method] = operation
    found = []
    for path, items in by_path.items():
        match = re.fullmatch(r"(.*)/\{(\w+)(?::\w+)?\}", path)
        if not match or "{" in match[1] or match[1] not in by_path:
            continue
        collection = by_path[match[1]]
        if "POST" not in collection:
            continue
        found.append(
            Resource(
                path=collection["POST"].path,
                item_path=next(iter(items.values())).path,
                parameter=match[2],
                create=collection["POST"],
                listing=collection.get("GET"),
                read=items.get("GET"),
                changes=[items[method] for method in ("PATCH", "PUT") if method in items],
                delete=items.get("DELETE"),
            )
        )
    return found


class Journey:
    """Travels through every resource as `who`, and keeps each exchange."""

    def __init__(self, document: Document, live: Live, values: Values, who: Identity | None) -> None:
        self._document, self._live, self._values, self._who = document, live, values, who
        self._known: dict[str, Any] = {}
        self.resources = resources(document)

    def run(self) -> None:
        """Go; a resource that needs another's id comes after it, where trying finds the order."""
        left = list(self.resources)
        for _ in range(3):
            left = [one for one in left if not self._made(one)]
        for resource in self.resources:
            if "create" in resource.steps and not resource.why:
                self._travel(resource)

    def make(self, resource: Resource, who: Identity | None = None) -> Exchange | None:
        """Create one more of this resource; None where nothing can be."""
        body = self.body(resource.create)
        if resource.create is None or (body is None and "requestBody" in resource.create.spec):
            return None
        return self._live.send("POST", resource.path, json_body=body, headers=self._headers(who))

    def last(self, resource: Resource) -> str:
        """Return the path of an item that is there, or nothing."""
        return resource.item(self._known[resource.name]) if resource.name in self._known else ""

    def body(self, operation: Operation | None) -> Any:
        """Return a body for an operation, with the ids of what was made where it wants one."""
        schema = json_schema(self._document, operation)
        body = None if schema is None else self._values.make(schema)
        if isinstance(body, dict):
            for name in body:
                if name.endswith("_id") and (known := self._known_id(name.removesuffix("_id"))) is not None:
                    body[name] = known
        return body

    def _headers(self, who: Identity | None = None) -> dict[str, str]:
        identity = who or self._who
        return dict(identity.headers) if identity else {}

    def _known_id(self, name: str) -> Any:
        stem = name.removesuffix("y").removesuffix("f")
        for plural in (f"{name}s", f"{name}es", f"{stem}ies", f"{stem}ves", name):
            if plural in self._known:
                return self._known[plural]
        return None

    def _made(self, resource: Resource) -> bool:
        made = self.make(resource)
        if made is None:
            resource.why = "its body is no JSON"
            return True
        resource.steps["create"] = made
        item_id = id_of(made, resource.parameter)
        if made.status >= 300 or made.status == 0:
            resource.why = f"a body made of its schema was answered {made.status or made.failure}"
            return False
        if item_id is None:
            resource.why = "the answer to POST does not tell the id"
            return True
        resource.why = ""
        self._known[resource.name] = item_id
        return True

    def _travel(self, resource: Resource) -> None:
        created = resource.steps["create"]
        item_id = id_of(created, resource.parameter)
        path = resource.item(item_id)
        steps, send, headers = resource.steps, self._live.send, self._headers()
        if resource.listing:
            steps["list"] = send("GET", resource.path, headers=headers)
        if resource.read:
            steps["read"] = send("GET", path, headers=headers)
            steps["read missing"] = send("GET", resource.item(_missing(item_id)), headers=headers)
        for operation in resource.changes:
            body = self.change(operation, created)
            steps[operation.method] = send(operation.method, path, json_body=body, headers=headers)
            if resource.read:
                steps[f"read after {operation.method}"] = send("GET", path, headers=headers)
            missing = resource.item(_missing(item_id))
            steps[f"{operation.method} missing"] = send(
                operation.method, missing, json_body=body, headers=headers
            )
        if resource.delete:
            steps["delete missing"] = send("DELETE", resource.item(_missing(item_id)), headers=headers)
            steps["delete"] = send("DELETE", path, headers=headers)
            if resource.read:
                steps["read after delete"] = send("GET", path, headers=headers)
            again = self.make(resource)  # for whoever comes after
            if again is not None and (another := id_of(again, resource.parameter)) is not None:
                self._known[resource.name] = another

    def change(self, operation: Operation, created: Exchange) -> Any:
        """Return a body for a change: for PATCH one field, for PUT all that the schema wants."""
        schema = self._document.resolve(json_schema(self._document, operation) or {})
        made = self.body(operation)
        if operation.method != "PATCH" or not isinstance(made, dict):
            return made or _first_text(self._document, schema, self._values)
        return _first_text(self._document, schema, self._values) or made


def _first_text(document: Document, schema: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """Return one field of text with a new value, or the first that there is."""
    properties = schema.get("properties", {})
    for name, part in properties.items():
        value = values.make(part, name)
        if isinstance(value, str) and "enum" not in document.resolve(part):
            return {name: value}
    for name, part in properties.items():
        return {name: values.make(part, name)}
    return {}


def json_schema(document: Document, operation: Operation | None) -> Any:
    """Return the schema of an operation's JSON body; None where it has none."""
    if operation is None:
        return None
    content = document.resolve(operation.spec.get("requestBody", {})).get("content", {})
    found: Iterator[Any] = (media.get("schema") for kind, media in content.items() if "json" in kind)
    return next(found, None)


def id_of(exchange: Exchange, parameter: str) -> Any:
    """Return the id of what was made: from the body, else from Location."""
    body = exchange.json
    if isinstance(body, dict):
        for inner in (body, *(value for value in body.values() if isinstance(value, dict))):
            for name in ("id", parameter, "uuid", "_id"):
                if isinstance(inner.get(name), int | str):
                    return inner[name]
            for name, value in inner.items():
                if name.endswith("_id") and parameter.endswith(name):
                    return value
    location = exchange.response_headers.get("location", "").rstrip("/")
    return location.rpartition("/")[2] or None


def _missing(item_id: object) -> str:
    """Return an id of the same kind that nothing has."""
    if isinstance(item_id, int) or str(item_id).isdigit():
        return _MISSING[0]
    return _MISSING[1] if re.fullmatch(r"[0-9a-f-]{36}", str(item_id)) else _MISSING[2]
