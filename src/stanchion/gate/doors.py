"""The doors: operations whose document says that a key is needed."""

import re
from collections.abc import Iterator, Mapping

from stanchion.gate.evidence import seen
from stanchion.gate.journey import json_schema
from stanchion.gate.model import Finding, NotChecked
from stanchion.gate.running import Running
from stanchion.gate.subject import Subject


def let_in(subject: Subject, headers: Mapping[str, str], how: str) -> Iterator[Finding]:
    """Ask every protected operation with these headers, and report what opens.

    Raises NotChecked where nothing is protected. An operation that takes a key or none
    (`{}` among its requirements) is not judged.
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
    for operation in protected:
        path = known.get(operation.path) or re.sub(r"\{[^}]*\}", "1", operation.path)
        schema = json_schema(subject.document, operation)
        body = None if schema is None else running.values.make(schema)
        exchange = running.live.send(operation.method, path, json_body=body, headers=headers, read_for=1)
        if 200 <= exchange.status < 300:
            yield seen(
                subject,
                operation,
                exchange,
                message=f"It wants a key by its document, and answers {exchange.status} {how}.",
                advice="Let it depend on the check of the key, and refuse what that does not know.",
            )


def _known(running: Running) -> dict[str, str]:
    """Return the paths of what was made; nothing where there is no way in: that needs no key."""
    try:
        journey = running.journey
    except NotChecked:
        return {}
    return {one.item_path: last for one in journey.resources if (last := journey.last(one))}
