"""The matrix: of each operation, whether it was seen to succeed and to refuse, and why not."""

import re
from collections.abc import Iterable
from functools import cache

from stanchion.gate.model import Exercised
from stanchion.gate.subject import Document, Operation


def matrix(document: Document, asked: Iterable[tuple[str, str, int]]) -> tuple[Exercised, ...]:
    """Return what was seen of each operation, in the document's order.

    `asked` has the method, the path and the status (0 where there was none) of all that was sent.
    """
    statuses: dict[str, list[int]] = {one.name: [] for one in document.operations}
    for method, path, status in asked:
        operation = of_path(document, method, path)
        if operation is not None:
            statuses[operation.name].append(status)
    return tuple(_exercised(one, statuses[one.name]) for one in document.operations)


def of_path(document: Document, method: str, path: str) -> Operation | None:
    """Return the operation that a request is meant for: of two that fit, the one with fewer parameters."""
    path = path.partition("?")[0]
    fitting = [
        one
        for one in document.operations
        if one.method == method and _pattern(one.path).fullmatch(path) is not None
    ]
    return min(fitting, key=lambda one: one.path.count("{"), default=None)


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{\w+(:\w+)?\}", template)
    # Every second part is what stands after the colon: a `path` may hold slashes.
    words = [
        re.escape(part or "") if number % 2 == 0 else (".+" if part == ":path" else "[^/]+")
        for number, part in enumerate(parts)
    ]
    return re.compile("".join(words))


def _exercised(operation: Operation, statuses: list[int]) -> Exercised:
    succeeded = next((one for one in statuses if 200 <= one < 400), 0)
    refused = next((one for one in statuses if 400 <= one < 500), 0)
    why = ""
    if not statuses:
        why = "it was not asked"
    elif not succeeded:
        why = f"it was not seen to succeed: the last answer was {statuses[-1] or 'none'}"
    elif not refused and takes_something(operation):
        why = "it was not seen to refuse anything"
    return Exercised(operation.name, succeeded, refused, why)


def takes_something(operation: Operation) -> bool:
    """Tell whether a request can be wrong: by a body, a parameter, or a key that is wanted."""
    return bool(operation.spec.get("requestBody") or operation.parameters or operation.spec.get("security"))
