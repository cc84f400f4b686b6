"""An operation that reads from the database, for rules that watch it do so."""

from stanchion.gate.model import NotChecked
from stanchion.gate.subject import Operation, Subject


def reading(subject: Subject) -> tuple[Operation, str]:
    """Return a GET that runs statements, and its path. Raises NotChecked where none is seen to."""
    running = subject.running
    for resource in running.made():
        for operation, path in (
            (resource.listing, resource.path),
            (resource.read, running.journey.last(resource)),
        ):
            if operation is None or not path:
                continue
            exchange = running.ask(operation, path)
            (inside,) = running.live.inside(exchange)
            if inside.get("statements"):
                return operation, path
    if "sqlalchemy" in (subject.app.versions or {}):
        raise NotChecked("no operation was seen to run a statement of SQLAlchemy")
    raise NotChecked("the app has no SQLAlchemy, and others cannot be watched")
