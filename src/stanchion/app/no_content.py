"""What has no content has no type: FastAPI says `application/json` of a 204, too."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_EMPTY = frozenset({204, 304})


class NoContentMiddleware:
    """Takes `Content-Type` from a 204 and a 304 (RFC 9110, 8.3, 15.3.5 and 15.4.5)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def without_type(message: Message) -> None:
            if message.get("status") in _EMPTY:
                sent = message.get("headers", ())
                message = {**message, "headers": [one for one in sent if one[0].lower() != b"content-type"]}
            await send(message)

        await self.app(scope, receive, without_type)
