"""The examples of an operation's own `Link` and `Location` in the OpenAPI document."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from stanchion.headers import headers

Operation = Mapping[str, Any]
Document = Mapping[str, Any]

_PARAMETER = re.compile(r"\{(\w+)\}")
_CURSOR = "9pX2m0qT7wUe3rVb5kYc1A"
"""What one looks like: a real one is sealed with the app's secret."""


def place_examples(document: Document) -> None:
    """Give each `Link` and `Location` of `headers()` an example of its own path, a new thing its first ETag.

    None where it is not known: a path with a parameter that has no example, a new thing that no path reads.
    """
    for path, item in document.get("paths", {}).items():
        for operation in item.values():
            for status, response in operation.get("responses", {}).items():
                for name, header in response.get("headers", {}).items():
                    make = _MAKERS.get(name)
                    if make is not None and header == headers(name)["headers"][name]:  # none by hand
                        example = make(document, path, operation, status)
                        header.update({"example": example} if example else {})


def _link(document: Document, path: str, operation: Operation, status: str) -> str | None:
    """Return the links of a list's first page, by the kind of pages that its parameters tell of."""
    own = _filled(path, operation)
    query = {one["name"]: one for one in _parameters(operation, "query")}
    limit = query.get("limit", {}).get("schema", {}).get("default")
    if own is None or limit is None:
        return None
    if "cursor" in query:
        return f'<{own}?limit={limit}>; rel="first", <{own}?limit={limit}&cursor={_CURSOR}>; rel="next"'
    if "offset" in query:
        first = f'<{own}?limit={limit}&offset=0>; rel="first"'
        return f'{first}, <{own}?limit={limit}&offset={limit}>; rel="next"'
    return None


def _location(document: Document, path: str, operation: Operation, status: str) -> str | None:
    """Return where the thing is that the response shows: at the path below this one that reads it."""
    below = re.compile(re.escape(path.rstrip("/")) + r"/\{(\w+)\}")
    for other, item in document["paths"].items():
        found = below.fullmatch(other)
        if found and "get" in item:
            return _filled(other, item["get"], _shown(document, operation["responses"][status], found[1]))
    return None


def _etag(document: Document, path: str, operation: Operation, status: str) -> str | None:
    return '"1"' if status == "201" else None


_MAKERS = {"ETag": _etag, "Link": _link, "Location": _location}


def _shown(document: Document, response: Any, parameter: str) -> dict[str, Any]:
    """Return the example that the response's schema has for the id that is called so in a path."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    properties = document.get("components", {}).get("schemas", {}).get(name, {}).get("properties", {})
    for field in (parameter, parameter.rpartition("_")[2]):
        if properties.get(field, {}).get("examples"):
            return {parameter: properties[field]["examples"][0]}
    return {}


def _filled(path: str, operation: Operation, known: Mapping[str, Any] | None = None) -> str | None:
    """Return a path with examples in the place of its parameters; None where one has none."""
    values = {
        one["name"]: value for one in _parameters(operation, "path") if (value := _example(one)) is not None
    } | dict(known or {})
    if any(name not in values for name in _PARAMETER.findall(path)):
        return None
    return _PARAMETER.sub(lambda found: quote(str(values[found[1]]), safe=""), path)


def _parameters(operation: Operation, place: str) -> list[Mapping[str, Any]]:
    """Return the parameters in a place; none that is a reference, which `openapi_extra` may have added."""
    return [one for one in operation.get("parameters", ()) if one.get("in") == place]


def _example(parameter: Mapping[str, Any]) -> Any:
    schema = parameter.get("schema", {})
    several = schema.get("examples") or [one.get("value") for one in parameter.get("examples", {}).values()]
    return parameter.get("example", next(iter(several), None))
