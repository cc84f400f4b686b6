"""The limit on the size of a request body."""

from starlette.datastructures import Headers
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import Receive, Scope, Send

from stanchion.errors import ContentTooLargeError, problem


class BodyLimitMiddleware(RequestBodyLimitMiddleware):
    """Starlette's limit, whose 413 is a problem also where Content-Length announces too much.

    Nothing of such a body is read. Without a Content-Length, Starlette counts as it arrives.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._announced(scope) > self.max_body_size:
            response = problem(
                scope,
                status=413,
                detail=f"The body is larger than {self.max_body_size} bytes.",
                error=ContentTooLargeError.default_code,
                headers={"Connection": "close"},
            )
            await response(scope, receive, send)
            return
        await super().__call__(scope, receive, send)

    @staticmethod
    def _announced(scope: Scope) -> int:
        text = Headers(scope=scope).get("content-length", "")
        # Of more digits Python makes no int; 20 are more than any limit.
        return int(text.lstrip("0")[:20] or 0) if text.isascii() and text.isdigit() else 0
