"""The journey: what a client does with each kind of thing, from its creation to after its end."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from stanchion.gate.belongings import plurals
from stanchion.gate.forms import example_of, is_json
from stanchion.gate.live import Exchange, Live
from stanchion.gate.sign_in import Identity, is_sign_in
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
        if not match or "{" in match[1]:
            continue
        collection = next((by_path[one] for one in plurals(match[1]) if "POST" in by_path.get(one, ())), None)
        if collection is None:
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
        """Create one more, by its example where its body is no JSON; None where nothing can be."""
        if resource.create is None:
            return None
        body, path = self.body(resource.create), self.path(resource.create)
        headers = {**self._required_headers(resource.create), **self._headers(who)}
        if body is None and "requestBody" in resource.create.spec:
            example = example_of(self._document, resource.create)
            if example is None:
                return None
            content, media_type = example
            return self._live.send(
                "POST", path, content=content, headers={**headers, "Content-Type": media_type}
            )
        made = self._live.send("POST", path, json_body=body, headers=headers)
        if made.status == 409 and not self._values.varied:
            self._values.varied = True  # a number that is there already: no two are the same from now on
            made = self._live.send("POST", path, json_body=self.body(resource.create), headers=headers)
        return made

    def last(self, resource: Resource) -> str:
        """Return the path of an item that is there, or nothing."""
        return resource.item(self._known[resource.name]) if resource.name in self._known else ""

    def creation(self, path: str) -> Exchange | None:
        """Return how the item was made that a path is about; None where it is about none."""
        about = (
            one for one in self.resources if (last := self.last(one)) and f"{path}/".startswith(f"{last}/")
        )
        return next((one.steps["create"] for one in about if "create" in one.steps), None)

    def takes_password(self, resource: Resource) -> bool:
        """Tell whether making one hashes a password, which is slow on purpose."""
        schema = self._document.resolve(json_schema(self._document, resource.create) or {})
        return any("password" in name.lower() for name in schema.get("properties", ()))

    def body(self, operation: Operation | None) -> Any:
        """Return a body for an operation, with the ids of what was made where it wants one."""
        schema = json_schema(self._document, operation)
        body = None if schema is None else self._values.make(schema)
        if isinstance(body, dict):
            if self._who is not None and operation is not None and is_sign_in(operation):
                body.update((name, value) for name, value in self._who.credentials.items() if name in body)
            for name in body:
                if name.endswith("_id") and (known := self._known_id(name.removesuffix("_id"))) is not None:
                    body[name] = known
        return body

    def path(self, operation: Operation) -> str:
        """Return its path, with the ids of what was made, and a query where one is required."""
        return self._filled(operation, self._id)

    def path_of_nothing(self, operation: Operation) -> str:
        """Return its path with an id at its end that nothing has."""
        last = operation.path.rpartition("{")[2].partition("}")[0].partition(":")[0]

        def value(operation: Operation, match: re.Match[str], made: Any) -> Any:
            known = self._id(operation, match, made)
            return _missing(known) if match[1] == last else known

        return self._filled(operation, value)

    def _id(self, operation: Operation, match: re.Match[str], made: Any) -> Any:
        """Return the id of what was made in the collection before this parameter, or what was made up."""
        collection = operation.path[: match.start()].rstrip("/").rpartition("/")[2]
        known = self._known.get(collection)
        if known is None:
            known = self._known_id(match[1].removesuffix("_id"))
        return made if known is None else known

    def _filled(self, operation: Operation, value: Callable[[Operation, re.Match[str], Any], Any]) -> str:
        made = {
            one["name"]: self._values.make(one.get("schema", {}), one["name"])
            for one in operation.parameters
            if one.get("in") == "path" or (one.get("in") == "query" and one.get("required"))
        }
        path = re.sub(
            r"\{(\w+)(?::\w+)?\}",
            lambda match: quote(str(value(operation, match, made.get(match[1], 1))), safe=""),
            operation.path,
        )
        wanted = [one["name"] for one in operation.parameters if one.get("in") == "query"]
        query = {name: made[name] for name in wanted if name in made}
        return f"{path}?{urlencode(query, doseq=True)}" if query else path

    def _required_headers(self, operation: Operation) -> dict[str, str]:
        return {
            one["name"]: str(self._values.make(one.get("schema", {}), one["name"]))
            for one in operation.parameters
            if one.get("in") == "header" and one.get("required")
        }

    def _headers(self, who: Identity | None = None) -> dict[str, str]:
        identity = who or self._who
        return dict(identity.headers) if identity else {}

    def _known_id(self, name: str) -> Any:
        return next((self._known[one] for one in plurals(name) if one in self._known), None)

    def _made(self, resource: Resource) -> bool:
        made = self.make(resource)
        if made is None:
            resource.why = "its body is no JSON, and has no example"
            return True
        resource.steps["create"] = made
        item_id = self._id_made(resource, made)
        if made.status >= 300 or made.status == 0:
            answer = made.summary.partition("\n")[2][:160] if made.status else made.failure
            resource.why = f"a body made of its schema was answered {answer}"
            return False
        if item_id is None:
            resource.why = "the answer to POST does not tell the id"
            return True
        resource.why = ""
        self._known[resource.name] = item_id
        return True

    def _id_made(self, resource: Resource, made: Exchange) -> Any:
        """Return the id of what was made: by the list, where the answer to its creation does not tell it."""
        item_id = id_of(made, resource.parameter)
        if item_id is not None or made.status not in (200, 201) or resource.listing is None:
            return item_id
        listed = self._live.send("GET", resource.path, headers=self._headers())
        sent = made.sent_json
        if not isinstance(sent, dict):
            return None
        for item in reversed(_items(listed.json)):
            same = [item[name] == value for name, value in sent.items() if name in item]
            if any(same) and all(same):
                return _id_in(item, resource.parameter)
        return None

    def _travel(self, resource: Resource) -> None:
        created = resource.steps["create"]
        item_id = self._known[resource.name]
        path = resource.item(item_id)
        missing = resource.item(_missing(item_id))
        steps, send, headers = resource.steps, self._live.send, self._headers()
        if resource.listing:
            steps["list"] = send("GET", resource.path, headers=headers)
        if resource.read:
            steps["read"] = send("GET", path, headers=headers)
            steps["read missing"] = send("GET", missing, headers=headers)
        for operation in resource.changes:
            method, body = operation.method, self.change(operation, created)
            if self._live.may_send(method, path):
                steps[method] = send(method, path, json_body=body, headers=headers)
                if resource.read:
                    steps[f"read after {method}"] = send("GET", path, headers=headers)
            if self._live.may_send(method, missing):
                steps[f"{method} missing"] = send(method, missing, json_body=body, headers=headers)
        if resource.delete and self._live.may_send("DELETE", missing):
            steps["delete missing"] = send("DELETE", missing, headers=headers)
        if resource.delete and self._live.may_send("DELETE", path):
            steps["delete"] = send("DELETE", path, headers=headers)
            if resource.read:
                steps["read after delete"] = send("GET", path, headers=headers)
            again = self.make(resource)  # for whoever comes after
            if again is not None and (another := self._id_made(resource, again)) is not None:
                self._known[resource.name] = another

    def change(self, operation: Operation, created: Exchange) -> Any:
        """Return a body for a change: for PATCH one field, for PUT all that the schema wants."""
        schema = self._document.resolve(json_schema(self._document, operation) or {})
        made = self.body(operation)
        if operation.method != "PATCH" or not isinstance(made, dict):
            return made or first_text(self._document, schema, self._values)
        return first_text(self._document, schema, self._values) or made


def first_text(document: Document, schema: Mapping[str, Any], values: Values) -> dict[str, Any]:
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
    found: Iterator[Any] = (media.get("schema") for kind, media in content.items() if is_json(kind))
    return next(found, None)


def id_of(exchange: Exchange, parameter: str) -> Any:
    """Return the id of what was made: from the body, else from Location."""
    body = exchange.json
    if isinstance(body, dict):
        for inner in (body, *(value for value in body.values() if isinstance(value, dict))):
            if (found := _id_in(inner, parameter)) is not None:
                return found
    location = exchange.response_headers.get("location", "").rstrip("/")
    return location.rpartition("/")[2] or None


def is_listed(exchange: Exchange, parameter: str, item_id: object) -> bool:
    """Tell whether a list has the item of this id."""
    return any(_id_in(one, parameter) == item_id for one in _items(exchange.json))


def _id_in(item: Mapping[str, Any], parameter: str) -> Any:
    for name in ("id", parameter, "uuid", "_id"):
        if isinstance(item.get(name), int | str):
            return item[name]
    return next(
        (value for name, value in item.items() if name.endswith("_id") and parameter.endswith(name)), None
    )


def _items(listed: Any) -> list[dict[str, Any]]:
    """Return the objects of a list, or of the first list within an object: `{"data": [...]}`."""
    if isinstance(listed, dict):
        listed = next((value for value in listed.values() if isinstance(value, list)), [])
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _missing(item_id: object) -> str:
    """Return an id of the same kind that nothing has."""
    if isinstance(item_id, int) or str(item_id).isdigit():
        return _MISSING[0]
    return _MISSING[1] if re.fullmatch(r"[0-9a-f-]{36}", str(item_id)) else _MISSING[2]
