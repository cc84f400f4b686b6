"""Findings from what was seen."""

from stanchion.gate.live import TOO_MANY, Exchange
from stanchion.gate.model import Finding, Verdict
from stanchion.gate.subject import Operation, Subject


def is_of_library(subject: Subject, operation: Operation) -> bool:
    """Tell whether a library brings the operation: its words are not the project's to choose."""
    route = subject.route(operation)
    return route is not None and not route.file


def seen(
    subject: Subject,
    operation: Operation | None,
    exchange: Exchange,
    *,
    message: str,
    advice: str,
    figure: str = "",
    doubt: str = "",
    after: Exchange | None = None,
) -> Finding:
    """Return a proven finding, with the exchange that proves it and, before it, a figure.

    `after` is the request without which there is nothing to show: the curl lines begin with it.

    It is only suspected where there is a doubt, where the guard kept the app from something while it
    answered, and where the answer is that there were too many requests.
    """
    place = subject.where(operation) if operation else {"operation": f"{exchange.method} {exchange.path}"}
    kept = f"the gate kept the app from {exchange.kept} (see --allow)" if exchange.kept else ""
    limited = "the app limits requests" if exchange.status == TOO_MANY else ""
    doubts = [one for one in (doubt, kept, limited) if one]
    evidence = "\n".join(filter(None, (figure, exchange.summary, *doubts)))
    return Finding(
        message=message,
        verdict=Verdict.suspected if doubts else Verdict.proven,
        **place,
        evidence=evidence,
        curl="\n".join(one.curl for one in (after, exchange) if one is not None),
        advice=advice,
    )
