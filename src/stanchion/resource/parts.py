"""What a resource reads, inserts and tells of its rows by, where its declaration allows it."""

from functools import partial
from typing import TYPE_CHECKING, Any

from stanchion.resource.announcer import Announcer
from stanchion.resource.inserter import Inserter
from stanchion.resource.insertion import Insertion
from stanchion.resource.queries import Queries
from stanchion.resource.reader import Reader

if TYPE_CHECKING:
    from stanchion.resource.resource import Resource


def announcer_of(resource: "Resource[Any]") -> Announcer | None:
    """Return what tells of a resource's rows; None where nobody is to be told."""
    # Whether a row that a scope narrows may be seen cannot be asked once it is gone.
    if resource.events is None or (resource.hooks.scope is not None and resource.visibility is None):
        return None
    return Announcer(
        resource.events,
        resource.table,
        resource.response,
        owner=resource.owner,
        visibility=resource.visibility,
    )


def reader_of(resource: "Resource[Any]") -> Reader | None:
    """Return what reads rows as the database's own JSON; None where they are always read as ever."""
    # What a scope will say of rows is not known before a request.
    if resource.hooks.scope is not None:
        return None
    owner, deleted_at = resource.owner, resource.deleted_at
    queries = partial(Queries, resource.table, resource.response, owner=owner, deleted_at=deleted_at)
    return Reader(queries, is_owned=bool(owner))


def inserter_of(resource: "Resource[Any]") -> Inserter | None:
    """Return what inserts rows without a session; None where they are always inserted as ever."""
    announcer = resource.announcer
    # The hooks of a write may work in its transaction, and what it tells of may need the whole row.
    if announcer is not None and announcer.has_visibility:
        return None
    make = partial(
        Insertion,
        resource.table,
        resource.response,
        owner=resource.owner,
        topic="" if announcer is None else announcer.topic,
    )
    return Inserter(resource.writer, make, announcer, type(resource).session)
