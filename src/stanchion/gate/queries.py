"""An operation that reads from the database, for rules that watch it do so."""

from collections.abc import Iterator

from stanchion.gate.model import NotChecked
from stanchion.gate.subject import Operation, Subject

_WATCHED = frozenset({"sqlalchemy", "sqlmodel", "stanchion"})
_OTHERS = frozenset(
    {
        "aiosqlite",
        "asyncpg",
        "databases",
        "motor",
        "mysql",
        "odmantic",
        "peewee",
        "piccolo",
        "pony",
        "psycopg",
    }
    | {"beanie", "psycopg2", "pymongo", "pymysql", "redis", "sqlite3", "tinydb", "tortoise"}
)


def readings(subject: Subject) -> Iterator[tuple[Operation, str]]:
    """Give each GET whose path is known, and the path: of lists and what was made first, then the rest.

    The rest may have a way of its own to the database, as a health check has.
    """
    running = subject.running
    journey = running.journey
    known = {one.item_path: last for one in journey.resources if (last := journey.last(one))}
    made = {*known, *(one.path for one in journey.resources)}
    for operation in sorted(subject.document.operations, key=lambda one: one.path not in made):
        path = known.get(operation.path, operation.path)
        if operation.method == "GET" and "{" not in path:
            yield operation, path


def reading(subject: Subject) -> tuple[Operation, str]:
    """Return a GET that runs statements, and its path. Raises NotChecked where none is seen to."""
    running = subject.running
    for operation, path in readings(subject):
        exchange = running.ask(operation, path, read_for=1)
        (inside,) = running.live.inside(exchange)
        if inside.get("statements"):
            return operation, path
    imported = {name for module in subject.code for name in module.imports}
    if not imported.isdisjoint(_WATCHED) and "sqlalchemy" in (subject.app.versions or {}):
        raise NotChecked("no operation was seen to run a statement of SQLAlchemy")
    if imported.isdisjoint(_OTHERS | _WATCHED):
        raise NotChecked("the app imports no library of a database", applies=False)
    raise NotChecked("the app has no SQLAlchemy, and others cannot be watched")
