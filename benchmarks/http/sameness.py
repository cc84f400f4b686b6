"""Whether a subject answers as all others do: what does less would be no peer."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.http.databases import Todo
from benchmarks.http.serving import Server

_CLOSE = timedelta(hours=1)
_MISSING = 999_999_999


def differences(server: Server) -> list[str]:
    """Ask a server what it will be asked under load, and return a sentence for each wrong answer.

    A moment may be written in any zone, or without one, which then is UTC; all else is the same JSON.
    """
    return [*_reading(server), *_listing(server), *_creating(server), *_refusing(server)]


def _reading(server: Server) -> Iterator[str]:
    for number in (1, 7):
        yield from _differs(server, f"/api/todos/{number}", 200, _expected(number))


def _listing(server: Server) -> Iterator[str]:
    for limit in (20, 100):
        expected = [_expected(number) for number in range(1, limit + 1)]
        yield from _differs(server, f"/api/todos?limit={limit}", 200, expected)


def _creating(server: Server) -> Iterator[str]:
    sent = {"title": "Buy milk", "status": "completed"}
    answer = server.ask("POST", "/api/todos", sent)
    made = _meaning(answer.json)
    if answer.status != 201 or not isinstance(made, dict):
        yield f"POST /api/todos answers {answer.status} {answer.json}, not 201 and the row."
        return
    expected = {**sent, "archived": False}
    if {name: made.get(name) for name in expected} != expected or set(made) != set(_expected(1)):
        yield f"POST /api/todos makes {made}."
        return
    moments = made["created_at"], made["updated_at"]
    if not all(isinstance(one, datetime) and abs(one - datetime.now(UTC)) < _CLOSE for one in moments):
        yield f"POST /api/todos says that the row was made at {moments}."
    yield from _differs(server, f"/api/todos/{made['id']}", 200, made)


def _refusing(server: Server) -> Iterator[str]:
    missing = server.ask("GET", f"/api/todos/{_MISSING}").status
    if missing != 404:
        yield f"GET of a row that is not there answers {missing}, not 404."
    for body in ({"title": "", "status": "active"}, {"title": "Buy milk", "status": "lost"}):
        refused = server.ask("POST", "/api/todos", body).status
        if refused not in (400, 422):
            yield f"POST of {body} answers {refused}, not 400 or 422."


def _differs(server: Server, path: str, status: int, expected: Any) -> Iterator[str]:
    answer = server.ask("GET", path)
    if answer.status != status:
        yield f"GET {path} answers {answer.status}, not {status}."
    elif (found := _meaning(answer.json)) != expected:
        yield f"GET {path} answers {found}, not {expected}."


def _expected(number: int) -> dict[str, Any]:
    todo = Todo(number)
    return {
        "id": todo.id,
        "title": todo.title,
        "status": todo.status,
        "archived": todo.archived,
        "created_at": todo.made,
        "updated_at": todo.made,
    }


def _meaning(value: Any) -> Any:
    """Return JSON with the moments that it writes as text."""
    if isinstance(value, list):
        return [_meaning(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _moment(item) if name.endswith("_at") else item for name, item in value.items()}


def _moment(value: Any) -> Any:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
