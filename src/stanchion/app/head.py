"""HEAD wherever GET is answered (RFC 9110, 9.3.2): monitors and load balancers ask that way.

And what is said of each response that comes from inside, whatever answers.
"""

from collections.abc import Awaitable, Collection

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stanchion.errors.handlers import HEAD_IS_ANSWERED
from stanchion.exchange import Exchange, Shape


class HeadMiddleware:
    """Lets the path operation of GET answer HEAD, and sends its status and headers alone.

    FastAPI gives a path operation the one method of its decorator. A stream ends at its first chunk.
    `shapes` change the headers of each response.
    """

    def __init__(self, app: ASGIApp, shapes: Collection[Shape] = ()) -> None:
        self.app = app
        self._shapes = shapes

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Return what is to be awaited: of what is only handed on, no coroutine is made."""
        if scope["type"] == "http":
            scope[HEAD_IS_ANSWERED] = True
            exchange, send = Exchange.of(scope, send)
            exchange.shapes += self._shapes
        if scope.get("method") != "HEAD":
            return self.app(scope, receive, send)
        return self._head(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A copy: the server reads in its own that this is HEAD, and sends no body.
        read = {**scope, "method": "GET"}
        with anyio.CancelScope() as rest:

            async def head(message: Message) -> None:
                if message["type"] != "http.response.body":
                    await send(message)
                    return
                await send({"type": "http.response.body"})
                if message.get("more_body"):
                    rest.cancel()

            try:
                await self.app(read, receive, head)
            finally:
                scope.update(read, method="HEAD")  # what answered is for the log
