"""The short ways of a resource: from the request to the database and back, with no dependency to be solved.

A row and a page that are read, and a row that is made, are answered so where which rows a caller may see or
make follows from the key, the owner and `deleted_at` alone. Whatever is not as in most requests (a body that
is not valid, a filter, an Idempotency-Key) goes the way of the path operation, which answers the same.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from fastapi import Request, Response, params
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined

from stanchion.caller import Caller
from stanchion.concurrency import IfNoneMatch, Precondition, etag
from stanchion.database import Database
from stanchion.database.direct import Direct
from stanchion.database.session import is_session_meant
from stanchion.exchange import values_of
from stanchion.idempotency import Idempotency
from stanchion.pagination import Selection
from stanchion.resource.reader import JSONText, Reader
from stanchion.resource.writing import new
from stanchion.routing.short import Short
from stanchion.signature import asks_request_alone
from stanchion.signing import signer_of

if TYPE_CHECKING:
    from stanchion.resource.resource import Resource

_MATCH: Any = next(one.dependency for one in get_args(IfNoneMatch) if isinstance(one, params.Depends))
_LEARN = "stanchion.learn"
_TRIED = "stanchion.tried"
_NO_REQUEST: Any = None
_LONGEST, _MOST = 200, 256
"""Bytes of a query whose meaning is kept, and how many of them."""


@dataclass(frozen=True, slots=True)
class _Way:
    """Who asks, and where the rows are."""

    database: Database
    ask: Callable[[Request], Awaitable[Caller | None]]

    @property
    def direct(self) -> Direct | None:
        """What reads and writes; None where somebody prepares every session: who may see what, perhaps."""
        return None if is_session_meant() else self.database.direct


def _way(resource: "Resource[Any]") -> _Way | None:
    """Return the way of a resource, None where the project's own dependencies have a say."""
    hooks = resource.hooks
    if hooks.scope or hooks.references or hooks.own_references or hooks.embedded:
        return None
    if hooks.caller is not None and not asks_request_alone(hooks.caller):
        return None
    database = getattr(hooks.session, "__self__", None)
    if not isinstance(database, Database) or hooks.session != database.get_session:
        return None
    if type(database).get_session is not Database.get_session:
        return None
    return _Way(database, hooks.caller or _nobody)


async def _nobody(_: Request) -> None:
    """Answer for a resource that asks nobody who he is."""


def read(resource: "Resource[Any]") -> Short | None:
    """Return the short way of GET /{id}."""
    way, reader = _way(resource), resource.reader
    if way is None or reader is None:
        return None
    name = f"{resource.table.name}_id"
    read_id = TypeAdapter(resource.table.id_type).validator.validate_python
    missing, is_versioned = resource.missing, resource.is_versioned
    if_none_match: Callable[[Request], Awaitable[Precondition]] = _MATCH

    async def answer(request: Request, _: Any) -> Response | None:
        direct = way.direct
        if direct is None:
            return None
        match = Precondition(None)
        # A bad one is told of before the key is looked at; what has no version knows nothing of it.
        if is_versioned and values_of(request, b"if-none-match"):
            match = await if_none_match(request)
        caller = await way.ask(request)
        try:
            row_id = read_id(request.path_params[name])
        except ValidationError:
            return None
        found = await reader.one(direct, caller, row_id)
        if found is None:
            return None
        if found == "missing":
            raise missing
        text, version = found
        if not is_versioned:
            return JSONText(text)
        tag = etag(version)
        if match.tags is not None and match.holds(tag):
            return Response(status_code=304, headers={"ETag": tag})
        return JSONText(text, (b"etag", tag.encode()))

    return answer


def page(resource: "Resource[Any]") -> Short | None:
    """Return the short way of GET /, for queries that were understood before."""
    way, reader = _way(resource), resource.reader
    if way is None or reader is None:
        return None
    known: dict[tuple[Any, bytes], Selection] = {}

    async def answer(request: Request, _: Any) -> Response | None:
        sent: bytes = request.scope["query_string"]
        if len(sent) > _LONGEST:
            return None
        key = (signer_of(request), sent)
        selection = known.get(key)
        if selection is None:
            request.scope[_LEARN] = partial(learn, key)
            return None
        direct = way.direct
        if direct is None:
            return None
        caller = await way.ask(request)
        found = await reader.page(direct, caller, replace(selection, request=request))
        if found is None:
            return None
        text, link = found
        return JSONText(text, (b"link", link.encode("latin-1")))

    def learn(key: tuple[Any, bytes], asked: Request, selection: Selection) -> None:
        if asked.scope["query_string"] != key[1]:  # a ticket was taken out of it
            return
        while len(known) >= _MOST:
            del known[next(iter(known))]
        known[key] = replace(selection, request=_NO_REQUEST)  # it would hold its secrets, and much else

    return answer


def understood(request: Request, selection: Selection) -> None:
    """Tell the short way, where there is one, what the query of a list has been understood as."""
    learn = request.scope.get(_LEARN)
    if learn is not None and Reader.reads(selection):
        learn(request, selection)


def create(resource: "Resource[Any]") -> Short | None:
    """Return the short way of POST /."""
    way, inserter, schema = _way(resource), resource.inserter, resource.create
    hooks = resource.hooks
    if way is None or inserter is None or schema is None:
        return None
    if hooks.authorize or hooks.values or hooks.update_values:
        return None
    if resource.idempotency is not None and not _asks_the_same(resource.idempotency, hooks.caller):
        return None
    validate = schema.__pydantic_validator__.validate_python
    owner, is_versioned = resource.owner, resource.is_versioned

    async def answer(request: Request, body: Any) -> Response | None:
        if body is PydanticUndefined or values_of(request, b"idempotency-key"):
            return None
        direct = way.direct
        if direct is None:
            return None
        caller = await way.ask(request)
        try:
            valid = validate(body, from_attributes=True)
        except ValidationError:
            return None
        filled = {owner: None if caller is None else caller.user_id} if owner else {}
        made = await inserter.create(direct, caller, {**new(valid), **filled})
        if made is None:
            request.scope[_TRIED] = True
            return None
        place = (b"location", resource.place(request, made.key).encode("latin-1"))
        tag = [(b"etag", etag(made.version).encode())] if is_versioned else []
        return JSONText(made.text, place, *tag, status=201)

    return answer


def _asks_the_same(idempotency: Idempotency, caller: Any) -> bool:
    """Tell whether what keeps replies does nothing without a key but to ask who that is."""
    return type(idempotency).__call__ is Idempotency.__call__ and idempotency.caller == caller


def has_tried(request: Request) -> bool:
    """Tell whether the short way was to insert the row, and could not: to try once more is of no use."""
    return _TRIED in request.scope


def replaced(resource: "Resource[Any]") -> tuple[Any, ...]:
    """Return the dependencies of a POST's route that its short way knows: hooks, and what keeps replies."""
    return (resource.hooks.writing.__metadata__[0].dependency, resource.idempotency)
