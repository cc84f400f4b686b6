"""The path operations of a resource's feed: GET /events, and POST /events/ticket."""

import warnings
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request

from stanchion.errors import responses
from stanchion.events import Events, EventStream, PositionGoneError, Ticket, UntoldWarning
from stanchion.pagination import refuse_unknown
from stanchion.resource.endpoints import Endpoint
from stanchion.resource.sample import sample
from stanchion.resource.signature import typed
from stanchion.resource.table import Described

if TYPE_CHECKING:
    from stanchion.resource.resource import Resource

PATH = "/events"
_BY_ITSELF = ("CASCADE", "SET NULL", "SET DEFAULT")
"""What a foreign key lets the database do to rows, of which only the database then knows."""


def warn_of_untold(table: Described, owner: str) -> None:
    """Warn (UntoldWarning) of each foreign key by which the database changes or deletes rows of a feed.

    Not of its owner's that deletes: who could see those rows is gone with them.
    """
    for name, attribute in table.mapper.column_attrs.items():
        for key in attribute.columns[0].foreign_keys:
            action = (key.ondelete or "").upper()
            if action not in _BY_ITSELF or (name == owner and action == "CASCADE"):
                continue
            parent = key.target_fullname.rpartition(".")[0]
            warnings.warn(
                f"{table.model.__name__}.{name}: where a row of {parent} goes, the database itself does "
                f"ON DELETE {action}, and the feed of {table.plural} does not tell of it. Make it "
                "RESTRICT, or do it yourself before you delete that row, and `announce` it.",
                UntoldWarning,
                stacklevel=5,  # where the router is asked for
            )


def feed(resource: "Resource[Any]", events: Events) -> Endpoint:
    """GET /events: what changes, from now on or from where a client has been."""
    many = resource.table.plural.replace("_", " ")

    async def follow(request: Request, stream: Any) -> Any:
        refuse_unknown(request)
        return stream

    doc = (
        f"Follow the changes of {many} that you may see: `created`, `updated` and `deleted`, each once and "
        "in the order of their versions, as Server-Sent Events. `data` holds the row as it is read, and of "
        "one that is deleted as it was. After an end go on with the last `id` as `Last-Event-ID`; 410 says "
        "that what came after it is no longer known, as a `reset` in the stream does: read the list again."
    )
    subscription = events.subscription(
        resource.table.name,
        caller=resource.caller_dependency,
        owned=bool(resource.owner),
        visible=resource.visibility.sees if resource.visibility else None,
    )
    call = typed(
        follow,
        f"follow_{resource.table.plural}",
        doc,
        {"stream": Annotated[EventStream, Depends(subscription)]},
    )
    found = sample(resource.response, output=True)
    shown = found.model_dump_json() if found else "{}"
    key = found.model_dump().get(resource.table.key_name, 7) if found else 7
    example = (
        "id: 42-8f3c01ab\nevent: created\n"
        f'data: {{"kind":"created","key":"{key}","version":1,"at":"2026-01-31T09:30:00Z",'
        f'"request_id":"0b3a6d0c","data":{shown}}}\n\n'
    )
    content = {EventStream.media_type: {"schema": {"type": "string"}, "example": example}}
    return Endpoint(
        "events",
        "GET",
        PATH,
        call,
        f"Follow {many}",
        responses={200: {"content": content}, **responses(PositionGoneError)},
        options={"response_class": EventStream},
    )


def ticket(resource: "Resource[Any]", events: Events) -> Endpoint:
    """POST /events/ticket: for a browser's EventSource."""

    async def issue(issued: Any) -> Any:
        return issued

    doc = (
        "Get a ticket for a browser's EventSource, which can send no header: "
        "`new EventSource('.../events?ticket=' + ticket)`. It opens this feed alone, as you, for minutes."
    )
    issued = Annotated[Ticket, Depends(events.ticket(caller=resource.caller_dependency))]
    call = typed(issue, f"create_{resource.table.name}_events_ticket", doc, {"issued": issued})
    return Endpoint(
        "events_ticket",
        "POST",
        f"{PATH}/ticket",
        call,
        "Get a ticket for the feed",
        201,
        response_model=Ticket,
    )
