"""The doors: operations whose document says that a key is needed."""

import re
from collections.abc import Iterator, Mapping
from functools import partial

from stanchion.gate.evidence import seen
from stanchion.gate.journey import json_schema
from stanchion.gate.model import Finding, NotChecked
from stanchion.gate.running import Running
from stanchion.gate.subject import Operation, Subject


def let_in(subject: Subject, headers: Mapping[str, str], how: str) -> Iterator[Finding]:
    """Ask every protected operation with these headers, and report what opens.

    Raises NotChecked where nothing is protected, or something was left out. An operation that takes a
    key or none (`{}` among its requirements) is not judged.
    """
    running = subject.running
    protected = [
        one
        for one in subject.document.operations
        if subject.document.security(one) and all(subject.document.security(one))
    ]
    if not protected:
        raise NotChecked("no operation declares security", applies=False)
    known = _known(running)
    left: list[str] = []
    for operation in protected:
        path = known.get(operation.path) or re.sub(r"\{[^}]*\}", "1", operation.path)
        if running.live.may_write and not running.live.may_send(operation.method, path):
            left.append(operation.name)
            continue
        schema = json_schema(subject.document, operation)
        body = None if schema is None else running.values.make(schema)
        ask = partial(running.live.send, operation.method, path, json_body=body, read_for=1)
        exchange = ask(headers=headers)
        if 200 <= exchange.status < 300:
            doubt = _doubt(subject, operation)
            if doubt and headers and ask().status in (401, 403):
                doubt = ""  # it wants a key, and takes this one
            yield seen(
                subject,
                operation,
                exchange,
                message=f"It wants a key by its document, and answers {exchange.status} {how}.",
                advice="Let it depend on the check of the key, and refuse what that does not know.",
                doubt=doubt,
            )
    if left:
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        raise NotChecked(
            f"{len(protected) - len(left)} of {len(protected)} were asked; {left[0]}{more}: from outside, "
            "only what the gate has made is changed"
        )


def _doubt(subject: Subject, operation: Operation) -> str:
    """Return why an operation may be open on purpose: FastAPI documents it as one that wants a key."""
    if subject.imported is None:
        return "from outside it is not seen whether a key is a must there"
    route = subject.route(operation)
    if route is None or not route.optional:
        return ""
    return "its security scheme has auto_error=False: it may be open on purpose"


def _known(running: Running) -> dict[str, str]:
    """Return the paths of what was made; nothing where there is no way in: that needs no key."""
    try:
        journey = running.journey
    except NotChecked:
        return {}
    return {one.item_path: last for one in journey.resources if (last := journey.last(one))}
