"""The reply while its transaction is still open: for parts that store it, or answer in its place.

FastAPI makes the reply inside the function stack (see `stanchion.stack`), and commits when that
closes; but a dependency never sees the reply. What sees it is the handler of the route.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from stanchion.signature import passed_by

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
"""What a route answers with."""
Keep = Callable[[Response], Awaitable[None]]
"""What is given the reply while the transaction is open."""

_KEEPERS = "stanchion.keepers"
_HAS_KEEPERS = "stanchion.has_keepers"


class AnsweredError(Exception):
    """Raised by a dependency that has the reply already: the path operation does not run."""

    def __init__(self, response: Response) -> None:
        super().__init__("answered before the path operation ran")
        self.response = response


class ReplyRoute(APIRoute):
    """A route whose dependencies may keep its reply: `APIRouter(route_class=ReplyRoute)`."""

    def get_route_handler(self) -> Handler:
        return keeping(super().get_route_handler())


def keeping(handle: Handler) -> Handler:
    """Wrap a route's handler: what it answers is shown to each `keep` before the session commits."""

    async def handler(request: Request) -> Response:
        keepers: list[Keep] = []
        request.scope[_KEEPERS] = keepers
        try:
            response = await handle(request)
        except AnsweredError as answer:
            return answer.response
        for keep in keepers:
            await keep(response)
        return response

    return passed_by(handle, handler)


def before_commit(request: Request, keep: Keep, *, takes_bodies: bool = False) -> None:
    """Await `keep(response)` when the reply is known, before the session commits; not after an exception.

    What `keep` raises takes the reply's place, and rolls back. With `takes_bodies` it neither writes nor
    refuses a reply that has its body: what is written may be committed before. Raises RuntimeError in a
    route that is no ReplyRoute.
    """
    keepers: list[Keep] | None = request.scope.get(_KEEPERS)
    if keepers is None:
        raise RuntimeError(
            "This path operation's reply cannot be kept: declare it on a router with "
            "`APIRouter(route_class=IdempotentRoute)`, or set `app.router.route_class` before it."
        )
    keepers.append(keep)
    if not takes_bodies:
        request.scope[_HAS_KEEPERS] = True


def has_keepers(request: Request) -> bool:
    """Tell whether a `keep` writes or may refuse the reply, whatever it is."""
    return bool(request.scope.get(_HAS_KEEPERS))
