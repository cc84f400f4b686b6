"""What has no content has no type: FastAPI says `application/json` of a 204, too."""

from starlette.types import ASGIApp, Receive, Scope, Send

from stanchion.exchange import Exchange, Headers

_EMPTY = frozenset({204, 304})


class NoContentMiddleware:
    """Takes `Content-Type` from a 204 and a 304 (RFC 9110, 8.3, 15.3.5 and 15.4.5)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            exchange, send = Exchange.of(scope, send)
            exchange.shapes.append(_drop_type)
        await self.app(scope, receive, send)


def _drop_type(status: int, headers: Headers) -> None:
    if status in _EMPTY:
        headers[:] = [one for one in headers if one[0].lower() != b"content-type"]
