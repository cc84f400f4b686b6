"""CORS whose refusal is a problem like any other error."""

from starlette import datastructures
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stanchion.errors import problem
from stanchion.exchange import Exchange, Headers, vary


class ProblemCORSMiddleware(CORSMiddleware):
    """Starlette's CORS middleware; a refused preflight is a 400 problem that says what was refused."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") == "OPTIONS":
            headers = datastructures.Headers(scope=scope)
            if "origin" in headers and "access-control-request-method" in headers:
                response = self.preflight_response(headers)
                if response.status_code >= 400:
                    response = _as_problem(scope, response)
                await response(scope, receive, send)
                return
        if scope["type"] == "http":
            exchange, send = Exchange.of(scope, send)
            if b"origin" not in exchange.asked:  # no browser asks for a page of another origin
                exchange.shapes.append(_vary_by_origin)
                await self.app(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


def _vary_by_origin(exchange: Exchange, headers: Headers) -> None:
    """Say as Starlette does that the answer to an origin would be another."""
    vary(headers, b"Origin")


def _as_problem(scope: Scope, refused: Response) -> Response:
    own = {"content-length", "content-type"}
    headers = {name: value for name, value in refused.headers.items() if name not in own}
    detail = bytes(refused.body).decode() + "."
    return problem(scope, status=refused.status_code, detail=detail, error="cors_refused", headers=headers)
