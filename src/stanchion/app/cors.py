"""CORS whose refusal is a problem like any other error."""

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stanchion.errors import problem

_NONE = Headers()


class ProblemCORSMiddleware(CORSMiddleware):
    """Starlette's CORS middleware; a refused preflight is a 400 problem that says what was refused."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") == "OPTIONS":
            headers = Headers(scope=scope)
            if "origin" in headers and "access-control-request-method" in headers:
                response = self.preflight_response(headers)
                if response.status_code >= 400:
                    response = _as_problem(scope, response)
                await response(scope, receive, send)
                return
        if scope["type"] != "http" or any(name == b"origin" for name, _ in scope["headers"]):
            await super().__call__(scope, receive, send)
        else:  # of the headers Starlette looks for Origin alone: to look through none is shorter
            await self.simple_response(scope, receive, send, request_headers=_NONE)


def _as_problem(scope: Scope, refused: Response) -> Response:
    own = {"content-length", "content-type"}
    headers = {name: value for name, value in refused.headers.items() if name not in own}
    detail = bytes(refused.body).decode() + "."
    return problem(scope, status=refused.status_code, detail=detail, error="cors_refused", headers=headers)
