"""The limit on the size of a request body."""

from typing import Any

from fastapi.routing import iter_route_contexts
from starlette.middleware.body_limit import RequestBodyLimitMiddleware, RequestBodyLimitResponder
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from stanchion.errors import ContentTooLargeError, problem
from stanchion.exchange import Exchange

_WITHOUT_BODY = frozenset({"GET", "HEAD"})
_SERVERS = frozenset({"uvicorn.protocols.http.h11_impl", "uvicorn.protocols.http.httptools_impl"})
"""Where what gives a body comes from where nobody stands before it, who could have unpacked it."""
_OF_A_BODY = frozenset({b"content-length", b"transfer-encoding", b"content-encoding"})


class BodyLimitMiddleware(RequestBodyLimitMiddleware):
    """Starlette's limit, whose 413 is a problem also where Content-Length announces too much.

    Nothing of such a body is read. Where none is to be relied on, Starlette counts as it arrives. A path
    operation that has a `max_body_size` of its own is not asked for this one.
    """

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Any:
        """Return what is to be awaited: of what is only handed on, no coroutine is made."""
        if scope["type"] != "http":
            return self.app(scope, receive, send)
        exchange, send = Exchange.of(scope, send)
        announced = self._announced(scope) if b"content-length" in exchange.asked else 0
        limit = self.max_body_size
        if announced > limit:
            limit = _own_limit(scope) or limit
        if announced > limit:
            response = problem(
                scope,
                status=413,
                detail=f"The body is larger than {limit} bytes.",
                error=ContentTooLargeError.default_code,
                headers={"Connection": "close"},
            )
            return response(scope, receive, send)
        if _is_known(scope, receive, exchange):
            return self.app(scope, receive, send)
        return self._counted(exchange, scope, receive, send)

    async def _counted(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        counting = RequestBodyLimitResponder(self.app, self.max_body_size)
        # It stops an answer only for what was announced, which was looked at before.
        exchange.inner = counting.send_with_limit
        try:
            await counting(scope, receive, send)
        finally:
            exchange.inner = None  # each would hold the other

    @staticmethod
    def _announced(scope: Scope) -> int:
        for name, value in scope["headers"]:
            if name == b"content-length":
                # Of more digits Python makes no int; 20 are more than any limit.
                return int(value.lstrip(b"0")[:20] or 0) if value.isdigit() else 0
        return 0


def _is_known(scope: Scope, receive: Receive, exchange: Exchange) -> bool:
    """Tell whether the body of a request is no larger than it said for certain, in HTTP/1 (RFC 9112, 6.3).

    So is that of a GET that announces none, and what the server itself gives of one with a length. Of any
    other it is counted what arrives: it may have been unpacked before.
    """
    if scope["http_version"] not in ("1.0", "1.1"):
        return False
    if scope["method"] in _WITHOUT_BODY:
        return _OF_A_BODY.isdisjoint(exchange.asked)
    if b"content-length" not in exchange.asked or b"transfer-encoding" in exchange.asked:
        return False
    return type(getattr(receive, "__self__", None)).__module__ in _SERVERS


def _own_limit(scope: Scope) -> int:
    """Return the limit of the path operation that will answer; 0 where it has none."""
    path: str = scope["path"]
    other = path.rstrip("/") if path.endswith("/") else f"{path}/"  # as stanchion.app.slashes answers it
    for route in iter_route_contexts(scope["app"].routes):
        limit: int | None = getattr(route, "max_body_size", None)
        if limit is not None and any(
            route.matches({**scope, "path": one})[0] is Match.FULL for one in (path, other)
        ):
            return limit
    return 0
