"""What changed between two OpenAPI documents that breaks a client of the first.

Which changes break is oasdiff's judgement (github.com/oasdiff/oasdiff, checker/SEVERITY-LAW-TRIAGE.md): a
request may ask for no more than before, a response may hold nothing that it could not hold before. Its
errors are `certain` here, its warnings are not.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stanchion.gate.schemas import Schemas, shown
from stanchion.gate.subject import Document, Operation

_SUCCESS = re.compile(r"2(\d\d|XX)")


@dataclass(frozen=True)
class Change:
    """One thing that breaks a client: `before` and `after` are both sides of it, short."""

    message: str
    before: str = ""
    after: str = ""
    certain: bool = True
    operations: tuple[Operation, ...] = field(default=(), compare=False)


def breaking(before: Document, after: Document) -> list[Change]:
    """Return what breaks a client of `before`, each once, with the operations that it is in."""
    found: dict[Change, list[Operation]] = {}
    new = {_key(one): one for one in after.operations}
    for old in before.operations:
        now = new.get(_key(old))
        for change in _Comparison(before, after).operation(old, now):
            found.setdefault(change, []).append(now or old)
    return [
        Change(one.message, one.before, one.after, one.certain, tuple(operations))
        for one, operations in found.items()
    ]


def _key(operation: Operation) -> tuple[str, str]:
    """Return what a client sees of an operation: the names in its path are not of it."""
    return operation.method, re.sub(r"\{[^}]*\}", "{}", operation.path)


def _name(parameter: Mapping[str, Any], path: str) -> tuple[str, str]:
    """Return where a parameter is and its name, of those in a path the place."""
    place, name = str(parameter.get("in")), str(parameter.get("name"))
    if place == "path":
        names = re.findall(r"\{([^}:]*)", path)
        return place, str(names.index(name)) if name in names else name
    return place, name.lower() if place == "header" else name


class _Comparison:
    """Two documents, side by side, for one operation."""

    def __init__(self, before: Document, after: Document) -> None:
        self._before, self._after = before, after
        self._schemas = Schemas(before, after)

    def operation(self, old: Operation, new: Operation | None) -> Iterator[Change]:
        """Compare an operation with what it has become."""
        if new is None:
            if not old.spec.get("deprecated"):
                yield Change("The operation is gone.", old.name, "nothing")
            return
        yield from self._parameters(old, new)
        yield from self._body(old, new)
        yield from self._responses(old, new)
        yield from self._security(old, new)

    def _parameters(self, old: Operation, new: Operation) -> Iterator[Change]:
        were = {_name(one, old.path): one for one in old.parameters}
        are = {_name(one, new.path): one for one in new.parameters}
        for (place, name), one in are.items():
            if place == "path" or not one.get("required"):
                continue
            if (place, name) not in were:
                yield Change(f"The {place} parameter {name!r} is new and required.", "nothing", "required")
            elif not were[place, name].get("required"):
                yield Change(f"The {place} parameter {name!r} became required.", "optional", "required")
        for (place, name), one in were.items():
            now = are.get((place, name))
            if now is not None:
                label = f"{place} parameter {one.get('name')!r}"
                for said in self._schemas.parameter(one.get("schema"), now.get("schema"), label):
                    yield Change(*said)
            elif place != "path" and not one.get("deprecated"):
                shape = shown(one.get("schema"))
                yield Change(f"The {place} parameter {name!r} is gone.", shape, "nothing", certain=False)

    def _body(self, old: Operation, new: Operation) -> Iterator[Change]:
        was = self._before.resolve(old.spec.get("requestBody"))
        now = self._after.resolve(new.spec.get("requestBody"))
        if not was:
            if now and now.get("required"):
                yield Change("A body is required now.", "no body", "required")
            return
        if not now:
            yield Change("The body is gone.", ", ".join(was.get("content", {})), "no body")
            return
        if now.get("required") and not was.get("required"):
            yield Change("The body became required.", "optional", "required")
        kept = now.get("content", {})
        for media, content in was.get("content", {}).items():
            if media not in kept:
                yield Change(f"A body of {media} is no longer taken.", media, ", ".join(kept))
                continue
            for said in self._schemas.request(content.get("schema"), kept[media].get("schema")):
                yield Change(*said)

    def _responses(self, old: Operation, new: Operation) -> Iterator[Change]:
        answers = new.spec.get("responses", {})
        for status, response in old.spec.get("responses", {}).items():
            if not _SUCCESS.fullmatch(status):
                continue
            if status not in answers:
                kept = [one for one in answers if _SUCCESS.fullmatch(one)]
                yield Change(f"The status {status} is gone.", status, ", ".join(kept) or "no success")
                continue
            was = self._before.resolve(response).get("content", {})
            now = self._after.resolve(answers[status]).get("content", {})
            for media, content in was.items():
                if media not in now:
                    yield Change(f"An answer of {media} is gone.", media, ", ".join(now) or "no body")
                    continue
                for said in self._schemas.response(content.get("schema"), now[media].get("schema")):
                    yield Change(*said)

    def _security(self, old: Operation, new: Operation) -> Iterator[Change]:
        """Compare the keys that open it: each way that did must still do, or one that asks for less."""
        were, are = _ways(self._before, old), _ways(self._after, new)
        for way in sorted(were, key=sorted):
            if not any(one <= way for one in are):
                wanted = " or ".join(" and ".join(sorted(one)) for one in sorted(are, key=sorted))
                message = "A key that opened it does not any more." if way else "It wants a key now."
                yield Change(message, " and ".join(sorted(way)) or "no key", wanted)


def _ways(document: Document, operation: Operation) -> set[frozenset[str]]:
    """Return the sets of credentials that open an operation, by what a request carries, not by name."""
    schemes = document.content.get("components", {}).get("securitySchemes", {})
    found = set()
    for requirement in document.security(operation):
        found.add(frozenset(_carried(document.resolve(schemes.get(name, {})), name) for name in requirement))
    return found or {frozenset()}


def _carried(scheme: Mapping[str, Any], name: str) -> str:
    kind = scheme.get("type")
    if kind == "apiKey":
        return f"{scheme.get('in')} {scheme.get('name')}".lower()
    if kind in ("oauth2", "openIdConnect"):
        return "http bearer"
    return f"http {scheme.get('scheme')}".lower() if kind == "http" else name
