"""Idempotency: the dependency that answers a request sent again, and keeps the reply of the first."""

import inspect
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Annotated, Any

import structlog
from fastapi import Depends, Header, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.caller import Caller
from stanchion.database import Database, now
from stanchion.idempotency import sent, store
from stanchion.idempotency.errors import HEADER
from stanchion.reply import AnsweredError, before_commit

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_SWEEP_EVERY = 16
"""Kept replies to a sweep. One sweep deletes more rows than that: what expires does not pile up."""

log = structlog.stdlib.get_logger("stanchion.idempotency")


class Idempotency:
    """Runs a request with an `Idempotency-Key` once: use an instance as a dependency.

    The path operation is declared on a router with `route_class=IdempotentRoute`, and writes in the
    session of `database.get_session`: on SQLite, which has one writer, another transaction would wait
    for that one until it is refused (503). `caller` is the dependency that says who is asking: a key is
    the caller's own. It belongs to one method and path as well. Sent again with the same query and
    body it has the first reply, with its status, headers and body and `Idempotent-Replayed: true`. Only
    what was committed is stored; after a reply of 400 or more, raised or returned, the key is
    free again. It is forgotten after `lifetime`. Without the header, and for a GET, nothing changes.

    Not for replies that show a secret: they would lie in the database as they are. What guards a path
    operation, other than `caller`, is a dependency before this one, which a replay passes too.

    Raises KeyInUseError (409) while the first request runs, after a wait; KeyReusedError (422) for
    a key that came with another query or body; InvalidError (422) for a key that is not 1 to 255
    visible ASCII characters. RuntimeError, and nothing is committed, for a reply that is streamed,
    and for one with a key that is larger than `max_size` bytes: they could not be given again.
    """

    __signature__: inspect.Signature

    def __init__(
        self,
        database: Database,
        *,
        caller: Callable[..., Any],
        lifetime: timedelta = timedelta(hours=24),
        max_size: int = 8 * 1024 * 1024,
    ) -> None:
        self.caller = caller
        self._lifetime = lifetime
        self._max_size = max_size
        self._kept = count()
        self.__signature__ = _signature(
            self.__call__,
            caller=Annotated[Caller, Depends(caller)],
            session=Annotated[AsyncSession, Depends(database.get_session)],
        )

    async def __call__(
        self,
        request: Request,
        caller: Caller,
        session: AsyncSession,
        _key: Annotated[
            str | None,
            Header(
                alias=HEADER,
                description="A text of your own, such as a UUID, that makes it safe to send this request "
                "again: the same key and request get the same reply, and run once.",
                # Only for the document: FastAPI's own check would answer before the caller is known.
                # No example: /docs would send it, and the second try there would be a 422.
                json_schema_extra={"pattern": "^[!-~]{1,255}$"},
            ),
        ] = None,
    ) -> None:
        """Answer in the path operation's place where it has run. The parameters are the document's too."""
        if request.method in _SAFE_METHODS:
            return
        key = sent.key(request)
        if key is None:
            before_commit(request, _refuse_stream, takes_bodies=True)
            return
        claim = store.Claim(
            scope=sent.scope(request, caller, key),
            fingerprint=await sent.fingerprint(request),
            expires_at=now() + self._lifetime,
        )
        before_commit(request, partial(self._keep, session, claim))
        reply = await store.take(session, claim)
        if reply is not None:
            log.info("replayed", status=reply.status)
            raise AnsweredError(_response(reply))

    async def _keep(self, session: AsyncSession, claim: store.Claim, response: Response) -> None:
        if response.status_code >= 400:
            await store.release(session, claim)
            return
        await store.keep(session, claim, self._reply(response))
        if next(self._kept) % _SWEEP_EVERY == 0:
            await store.sweep(session)

    def _reply(self, response: Response) -> store.Reply:
        body = _whole(response)
        if len(body) > self._max_size:
            raise RuntimeError(
                f"A reply of {len(body)} bytes is too large to store: answer with less, or raise `max_size`."
            )
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.raw_headers]
        return store.Reply(response.status_code, fields, body)


async def _refuse_stream(response: Response) -> None:
    """Tell of a path operation that this is not for also without a key: in its first test."""
    if response.status_code < 400:
        _whole(response)


def _whole(response: Response) -> bytes:
    body = getattr(response, "body", None)  # a stream has none
    if not isinstance(body, bytes | memoryview):
        raise RuntimeError(
            f"A {type(response).__name__} cannot be given again: no Idempotency in this path operation."
        )
    return bytes(body)


def _signature(call: Callable[..., Any], **annotations: Any) -> inspect.Signature:
    """Return a function's signature with these annotations: what FastAPI reads the dependencies from."""
    signature = inspect.signature(call)
    return signature.replace(
        parameters=[
            parameter.replace(annotation=annotations.get(name, parameter.annotation))
            for name, parameter in signature.parameters.items()
        ]
    )


def _response(reply: store.Reply) -> Response:
    response = Response(reply.body, reply.status)
    response.raw_headers = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers
    ]
    response.headers["Idempotent-Replayed"] = "true"
    return response
