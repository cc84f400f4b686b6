"""The limit on the size of a request body."""

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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange, send = Exchange.of(scope, send)
        announced = _announced(scope)
        if announced is not None and announced > (limit := self._limit(scope, announced)):
            response = problem(
                scope,
                status=413,
                detail=f"The body is larger than {limit} bytes.",
                error=ContentTooLargeError.default_code,
                headers={"Connection": "close"},
            )
            await response(scope, receive, send)
        elif self._is_known(scope, receive, exchange, announced):
            await self.app(scope, receive, send)
        else:
            counting = RequestBodyLimitResponder(self.app, self.max_body_size)
            before = exchange.inner
            # It stops an answer only for what was announced, which was looked at before.
            exchange.inner = counting.send_with_limit
            try:
                await counting(scope, receive, send)
            finally:
                exchange.inner = before  # each would hold the other

    def _limit(self, scope: Scope, announced: int) -> int:
        """Return how much the path operation takes that a body of this length is for."""
        return (
            self.max_body_size if announced <= self.max_body_size else _own_limit(scope) or self.max_body_size
        )

    def _is_known(self, scope: Scope, receive: Receive, exchange: Exchange, announced: int | None) -> bool:
        """Tell whether a body is no larger than the limit for certain, in HTTP/1 (RFC 9112, 6.3).

        So is that of a GET that announces none, and what the server itself gives of one with a length. Of any
        other it is counted what arrives: it may have been unpacked before, and another path operation may
        answer than the one whose own limit was found.
        """
        if scope["http_version"] not in ("1.0", "1.1"):
            return False
        if announced is None:
            return scope["method"] in _WITHOUT_BODY and _OF_A_BODY.isdisjoint(exchange.asked)
        return (
            announced <= self.max_body_size
            and b"transfer-encoding" not in exchange.asked
            and type(getattr(receive, "__self__", None)).__module__ in _SERVERS
        )


def _announced(scope: Scope) -> int | None:
    """Return the Content-Length, None without one that is a number; space around it is none of it."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            digits = value.strip(b" \t")
            # Of more digits Python makes no int; 20 are more than any limit.
            return int(digits.lstrip(b"0")[:20] or 0) if digits.isdigit() else None
    return None


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
