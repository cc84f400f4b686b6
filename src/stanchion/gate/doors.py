"""The doors: operations whose document says that a key is needed."""

import re
from collections.abc import Iterator, Mapping

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, NotChecked
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
    known = {
        path: steps
        for one in running.journey.resources
        for path, steps in ((one.item_path, running.journey.last(one)),)
        if steps
    }
    for operation in protected:
        path = known.get(operation.path) or re.sub(r"\{[^}]*\}", "1", operation.path)
        body = running.journey.body(operation) if operation.method in ("POST", "PUT", "PATCH") else None
        exchange = running.live.send(operation.method, path, json_body=body, headers=headers, read_for=1)
        if 200 <= exchange.status < 300:
            yield seen(
                subject,
                operation,
                exchange,
                message=f"It wants a key by its document, and answers {exchange.status} {how}.",
                advice="Let it depend on the check of the key, and refuse what that does not know.",
            )
