"""`/api/todos` and `/api/todos/` are one path: both answer, and neither redirects."""

from fastapi import FastAPI
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

_TRIED = "stanchion.other_slash"


def answer_both_slashes(app: FastAPI) -> None:
    """Let a path that no route answers be tried with its last slash added or taken away.

    A redirect would cost a round trip, and some clients drop the body or the key on it.
    """
    router = app.router
    not_found = router.default
    router.redirect_slashes = False

    async def other_slash(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _TRIED not in scope:
            path = scope["path"]
            other = path.rstrip("/") if path.endswith("/") else f"{path}/"
            candidate = {**scope, "path": other}
            if other and any(route.matches(candidate)[0] is not Match.NONE for route in router.routes):
                scope.update({"path": other, _TRIED: path})
                await router(scope, receive, send)
                return
        await not_found(scope, receive, send)

    router.default = other_slash
