"""Two JSON schemas side by side: what a request may no longer hold, and what a response may hold now."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stanchion.gate.subject import Document

Said = tuple[str, str, str, bool]
"""A message, both sides of the change, and whether it is certain to break a client."""

_SCALARS = frozenset({"string", "number", "integer", "boolean", "null"})
_DEEPEST = 12
_MOST = ("maxLength", "maxItems", "maxProperties")
_LEAST = ("minLength", "minItems", "minProperties")
_FORMATS = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "url", "uuid"}
)
"""Those that are validated: others, like `password` or `int32`, are words to the reader."""
_ANY = (".*", "^.*$")


@dataclass(frozen=True)
class _Place:
    """Where in a request or a response a schema is."""

    name: str
    is_request: bool
    is_parameter: bool = False

    def named(self, *schemas: Any) -> "_Place":
        """Return the place by the name of its component, where it has one."""
        refs = [str(one["$ref"]) for one in schemas if isinstance(one, dict) and "$ref" in one]
        if not refs or self.is_parameter:
            return self
        return replace(self, name=refs[-1].rpartition("/")[2])

    def under(self, name: str) -> "_Place":
        """Return the place of what is in it."""
        return replace(self, name=f"{self.name}{name}")

    def said(self, what: str, before: Any, after: Any, *, certain: bool = True) -> Said:
        """Return what is said of it."""
        of = "" if self.is_parameter else "request's " if self.is_request else "answer's "
        return f"The {of}{self.name} {what}.", shown(before), shown(after), certain


class Schemas:
    """The schemas of two documents."""

    def __init__(
        self, before: Document, after: Document, met: frozenset[tuple[str, str, bool]] = frozenset()
    ) -> None:
        self._before, self._after, self._met = before, after, set(met)

    def parameter(self, old: Any, new: Any, label: str) -> Iterator[Said]:
        """Compare a parameter, which is text on its way."""
        yield from self._compare(old, new, _Place(label, True, True), 0)

    def request(self, old: Any, new: Any) -> Iterator[Said]:
        """Compare what may be sent."""
        yield from self._compare(old, new, _Place("body", True), 0)

    def response(self, old: Any, new: Any) -> Iterator[Said]:
        """Compare what may come back."""
        yield from self._compare(old, new, _Place("body", False), 0)

    def _compare(self, old: Any, new: Any, place: _Place, depth: int) -> Iterator[Said]:
        refs = _ref(old), _ref(new), place.is_request
        if depth > _DEEPEST or (any(refs[:2]) and refs in self._met):
            return
        self._met.add(refs)
        place = place.named(old, new)
        old, new = whole(self._before, old), whole(self._after, new)
        were, are = types(self._before, old), types(self._after, new)
        if _narrower(were, are, place) if place.is_request else _narrower(are, were, place):
            yield place.said("has another type", _listed(were), _listed(are))
            return
        before, after = _branches(self._before, old), _branches(self._after, new)
        if before is None and after is None:
            yield from self._alike(old, new, place, depth)
        elif len(before or [old]) == len(after or [new]) == 1:
            yield from self._compare((before or [old])[0], (after or [new])[0], place, depth + 1)
        else:
            yield from self._alternatives(before or [old], after or [new], place, depth)

    def _alternatives(self, before: list[Any], after: list[Any], place: _Place, depth: int) -> Iterator[Said]:
        """Compare unions: what could be sent must fit one now, what may come back must have fitted one."""
        for one in before if place.is_request else after:
            pairs = (
                [(one, other) for other in after] if place.is_request else [(other, one) for other in before]
            )
            if not any(self._fit(old, new, place, depth) for old, new in pairs):
                what = (
                    "no longer takes one of its forms" if place.is_request else "has a form that it had not"
                )
                both = (one, after) if place.is_request else (before, one)
                yield place.said(what, *both, certain=False)

    def _fit(self, old: Any, new: Any, place: _Place, depth: int) -> bool:
        probe = Schemas(self._before, self._after, frozenset(self._met))
        return not any(certain for *_, certain in probe._compare(old, new, place, depth + 1))

    def _alike(self, old: dict[str, Any], new: dict[str, Any], place: _Place, depth: int) -> Iterator[Said]:
        """Compare two schemas of one form each."""
        yield from _values(old, new, place)
        yield from _format(old, new, place)
        if place.is_request:
            yield from _bounds(old, new, place)
        names = self._sent if place.is_request else self._received
        yield from names(old, new, place)
        kept = new.get("properties", {})
        for name, part in old.get("properties", {}).items():
            hidden = "readOnly" if place.is_request else "writeOnly"
            if name in kept and not whole(self._after, kept[name]).get(hidden):
                yield from self._compare(part, kept[name], place.under(f".{name}"), depth + 1)
        for keyword, under in (("items", "[]"), ("additionalProperties", ".*")):
            parts = old.get(keyword), new.get(keyword)
            if all(isinstance(one, dict) for one in parts):
                yield from self._compare(*parts, place.under(under), depth + 1)

    def _sent(self, old: dict[str, Any], new: dict[str, Any], place: _Place) -> Iterator[Said]:
        """Compare which properties a request has."""
        had, has = old.get("properties", {}), new.get("properties", {})
        for name in new.get("required", ()):
            inner = place.under(f".{name}")
            if name not in has or whole(self._after, has[name]).get("readOnly"):
                continue
            if name not in had:
                yield inner.said("is new and required", "nothing", "required")
            elif name not in old.get("required", ()):
                yield inner.said("became required", "optional", "required")
        for name, part in had.items():
            schema = whole(self._before, part)
            if name in has or not has or schema.get("deprecated") or schema.get("readOnly"):
                continue
            refused = new.get("additionalProperties") is False
            what = "is refused now" if refused else "is gone"
            yield place.under(f".{name}").said(what, part, "nothing", certain=refused)

    def _received(self, old: dict[str, Any], new: dict[str, Any], place: _Place) -> Iterator[Said]:
        """Compare which properties a response has."""
        has = new.get("properties", {})
        for name, part in old.get("properties", {}).items():
            inner, required = place.under(f".{name}"), name in old.get("required", ())
            if whole(self._before, part).get("writeOnly"):
                continue
            if name not in has:
                yield inner.said("is gone", part, "nothing", certain=required)
            elif required and name not in new.get("required", ()):
                yield inner.said("may be missing now", "required", "optional")


def whole(document: Document, schema: Any, depth: int = 0) -> dict[str, Any]:
    """Return a schema without references at its top, and with the parts of `allOf` in it."""
    resolved = document.resolve(schema)
    if not isinstance(resolved, dict):
        return {}
    made = {**(schema if isinstance(schema, dict) else {}), **resolved}
    made.pop("$ref", None)
    if depth > _DEEPEST:
        return made
    for part in made.pop("allOf", ()):
        inner = whole(document, part, depth + 1)
        properties = {**inner.get("properties", {}), **made.get("properties", {})}
        required = [*inner.get("required", ()), *made.get("required", ())]
        made = {**inner, **made}
        if properties:
            made["properties"] = properties
        if required:
            made["required"] = required
    return made


def types(document: Document, schema: Any, depth: int = 0) -> frozenset[str] | None:
    """Return the JSON types that a schema allows; None where it allows all, or cannot be told."""
    schema = whole(document, schema)
    kind = schema.get("type")
    if isinstance(kind, str | list):
        found = frozenset([kind] if isinstance(kind, str) else map(str, kind))
        return found | {"null"} if schema.get("nullable") is True else found
    for keyword in ("anyOf", "oneOf"):
        if schema.get(keyword) and depth < _DEEPEST:
            parts = [types(document, one, depth + 1) for one in schema[keyword]]
            known = [one for one in parts if one is not None]
            return frozenset[str]().union(*known) if len(known) == len(parts) else None
    if (values := enumerated(schema)) is not None:
        return frozenset(map(_type, values))
    if "properties" in schema:
        return frozenset({"object"})
    return frozenset({"array"}) if "items" in schema else None


def enumerated(schema: Mapping[str, Any]) -> list[Any] | None:
    """Return the values of an enum or a const; None where it has neither."""
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if isinstance(schema.get("enum"), list) else None


def shown(value: Any) -> str:
    """Return a value as it is said: text as it is, the rest as JSON, cut."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= 120 else f"{text[:117]}..."


def _type(value: Any) -> str:
    kinds = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array", dict: "object"}
    return kinds.get(type(value), "null")


def _ref(schema: Any) -> str:
    return str(schema.get("$ref", "")) if isinstance(schema, dict) else ""


def _listed(kinds: frozenset[str] | None) -> str:
    return "anything" if kinds is None else " or ".join(sorted(kinds))


def _narrower(were: frozenset[str] | None, are: frozenset[str] | None, place: _Place) -> bool:
    """Tell whether `are` leaves out what was in `were`."""
    if are is None:
        return False
    if were is None:
        return not place.is_parameter
    if place.is_parameter and "string" in are and were <= _SCALARS:
        return False  # all of them are text there
    wide = are | {"integer"} if "number" in are else are
    return not were <= (wide | {"null"} if place.is_parameter else wide)


def _branches(document: Document, schema: Mapping[str, Any]) -> list[Any] | None:
    """Return the alternatives of a union but for null; None where it is none."""
    for keyword in ("anyOf", "oneOf"):
        if schema.get(keyword):
            real = [one for one in schema[keyword] if types(document, one) != frozenset({"null"})]
            return real or None
    return None


def _values(old: Mapping[str, Any], new: Mapping[str, Any], place: _Place) -> Iterator[Said]:
    """Compare enums: a request may lose no value, a response may get none."""
    were, are = enumerated(old), enumerated(new)
    if place.is_request and are is not None:
        lost = [one for one in were or () if one not in are]
        if were is None:
            yield place.said("became an enum", "any value", are)
        elif lost:
            yield place.said(f"no longer takes {shown(lost)}", were, are)
    elif not place.is_request and were is not None:
        more = [one for one in are or () if one not in were]
        if are is None:
            yield place.said("is no enum any more", were, "any value", certain=False)
        elif more:
            yield place.said(f"may be {shown(more)} now", were, are, certain=False)


def _format(old: Mapping[str, Any], new: Mapping[str, Any], place: _Place) -> Iterator[Said]:
    """Compare formats: a request may get none, a response may lose none."""
    was, now = old.get("format"), new.get("format")
    bound = now if place.is_request else was
    if was != now and bound in _FORMATS:
        yield place.said("has another format", was or "any", now or "any")


def _bounds(old: Mapping[str, Any], new: Mapping[str, Any], place: _Place) -> Iterator[Said]:
    """Compare what a request is held to."""
    for name in (*_MOST, *_LEAST):
        was, now = old.get(name), new.get(name)
        if isinstance(now, int) and _is_tighter(was, now, upper=name in _MOST):
            yield place.said(f"has a tighter {name}", "none" if was is None else was, now)
    for name, sign in (("maximum", 1), ("minimum", -1)):
        was, now = _limit(old, name, sign), _limit(new, name, sign)
        if now is not None and (was is None or now < was):
            yield place.said(f"has a tighter {name}", *(_limited(one, sign) for one in (was, now)))
    was, now = old.get("pattern"), new.get("pattern")
    if now is not None and now != was and now not in _ANY:
        what = "has a pattern now" if was is None else "has another pattern"
        yield place.said(what, was or "none", now, certain=was is None)


def _is_tighter(was: Any, now: int, *, upper: bool) -> bool:
    if not isinstance(was, int):
        return upper or now > 0
    return now < was if upper else now > was


_STORED = 2**63 - 1
"""What no database stores as an integer: a limit there takes nothing from a client."""


def _limit(schema: Mapping[str, Any], name: str, sign: int) -> tuple[float, int] | None:
    """Return the limit in a form in which smaller is tighter: of equal ones, that which excludes itself."""
    exclusive = f"exclusive{name.capitalize()}"
    found = [
        (schema[one] * sign, weight)
        for one, weight in ((name, 1), (exclusive, 0))
        if isinstance(schema.get(one), int | float)
        and not isinstance(schema[one], bool)
        and abs(schema[one]) < _STORED
    ]
    return min(found, default=None)


def _limited(limit: tuple[float, int] | None, sign: int) -> str:
    if limit is None:
        return "none"
    number, inclusive = limit[0] * sign, limit[1]
    return (f"{int(number)}" if number == int(number) else f"{number:g}") + (
        "" if inclusive else ", itself excluded"
    )
