"""What is answered to a key is for whoever sent it, and for no shared cache."""

from starlette.types import ASGIApp, Receive, Scope, Send

from stanchion.exchange import Exchange, Headers, vary

_CREDENTIALS = ("Authorization", "X-API-Key", "X-User-ID", "Cookie")
_VARIES = ", ".join(_CREDENTIALS).encode()
_NAMES = frozenset(name.lower().encode() for name in _CREDENTIALS)


class PrivateMiddleware:
    """Sets `Cache-Control` and `Vary` on the answer to a request with credentials.

    RFC 9111, 3.5, keeps shared caches from storing the answer to `Authorization` alone: one to
    `X-API-Key` they could give to anybody. A `Cache-Control` of the path operation's own stays.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            exchange, send = Exchange.of(scope, send)
            if not _NAMES.isdisjoint(exchange.asked):
                exchange.shapes.append(_keep_private)
        await self.app(scope, receive, send)


def _keep_private(status: int, headers: Headers) -> None:
    if all(name != b"cache-control" for name, _ in headers):
        headers.append((b"cache-control", b"private, no-cache"))
    vary(headers, _VARIES)
