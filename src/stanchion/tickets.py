"""Tickets: who is asking, in the URL, for a client that can send no header; for one path, and for minutes."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode

from starlette.requests import HTTPConnection

from stanchion.caller import Caller
from stanchion.errors import UnauthorizedError
from stanchion.signing import signer_of

PARAMETER = "ticket"
"""The parameter of a URL that carries one."""
_TAKEN = "stanchion.ticket"
_READS = "stanchion.reads"


class TicketError(UnauthorizedError):
    """401: the ticket is not for this path, or its time is over."""

    default_message = "This ticket is not valid, or no longer: ask for a new one."
    default_code = "ticket_not_valid"


def issue(connection: HTTPConnection, path: str, caller: Caller, lifetime: timedelta) -> tuple[str, datetime]:
    """Return a ticket with which this caller may GET a path, and when it expires.

    Raises RuntimeError where nothing says with which secret to sign.
    """
    expires_at = datetime.now(UTC) + lifetime
    content = json.dumps([caller.key_id, caller.user_id, expires_at.timestamp()]).encode()
    return signer_of(connection).seal(_purpose(path), content), expires_at


def take(connection: HTTPConnection) -> str | None:
    """Return the ticket of a request, and take it out of its query: no log is to have it."""
    scope = connection.scope
    if _TAKEN not in scope:
        query = scope.get("query_string", b"").decode("latin-1")
        fields = parse_qsl(query, keep_blank_values=True, encoding="latin-1")
        sent = [value for name, value in fields if name == PARAMETER]
        scope[_TAKEN] = sent[-1] if sent else None
        if sent:
            rest = [field for field in fields if field[0] != PARAMETER]
            scope["query_string"] = urlencode(rest, encoding="latin-1").encode()
    taken: str | None = scope[_TAKEN]
    return taken


def bearer(connection: HTTPConnection) -> Caller | None:
    """Return who asks with a ticket for this path; None where there is none. Raises TicketError (401)."""
    ticket = take(connection) if connection.scope.get("method") in ("GET", "HEAD") else None
    if ticket is None:
        return None
    try:
        content = signer_of(connection).open(_purpose(connection.scope["path"]), ticket)
    except (ValueError, RuntimeError):  # nothing signs here, so no ticket is from here
        raise TicketError from None
    key_id, user_id, expires_at = json.loads(content)
    if expires_at <= datetime.now(UTC).timestamp():
        raise TicketError
    return Caller(key_id, user_id)


async def reads(connection: HTTPConnection) -> None:
    """Say that a request changes nothing, whatever its method: a dependency, before the guard's."""
    connection.scope[_READS] = True


def is_reading(connection: HTTPConnection) -> bool:
    """Tell whether a request has been said to change nothing."""
    return connection.scope.get(_READS, False) is True


def _purpose(path: str) -> str:
    return f"ticket {path.rstrip('/')}"
