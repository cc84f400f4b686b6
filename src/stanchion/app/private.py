"""What is answered to a key is for whoever sent it, and for no shared cache."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CREDENTIALS = ("Authorization", "X-API-Key", "X-User-ID", "Cookie")
_VARIES = ", ".join(_CREDENTIALS)
_NAMES = frozenset(name.lower().encode() for name in _CREDENTIALS)


class PrivateMiddleware:
    """Sets `Cache-Control` and `Vary` on the answer to a request with credentials.

    RFC 9111, 3.5, keeps shared caches from storing the answer to `Authorization` alone: one to
    `X-API-Key` they could give to anybody. A `Cache-Control` of the path operation's own stays.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _NAMES.isdisjoint(name for name, _ in scope["headers"]):
            await self.app(scope, receive, send)
            return

        async def private(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])  # ASGI lets an app leave them out
                headers = MutableHeaders(scope=message)
                headers.setdefault("Cache-Control", "private, no-cache")
                headers.add_vary_header(_VARIES)
            await send(message)

        await self.app(scope, receive, private)
