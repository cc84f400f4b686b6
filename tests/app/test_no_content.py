"""What has no content says nothing of its type."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Response, WebSocket
from fastapi.testclient import TestClient
from starlette.types import Receive, Scope, Send

from stanchion import Settings, install
from stanchion.routing import CompiledRoute
from stanchion.secret import new_key


def backend() -> FastAPI:
    app = FastAPI()
    install(app, Settings.load(DATABASE_URL="sqlite:///./app.db", API_KEY=new_key()))
    compiled = APIRouter(route_class=CompiledRoute)

    @app.delete("/plain", status_code=204)
    async def plain() -> None: ...

    @compiled.delete("/compiled", status_code=204)
    async def fast() -> None: ...

    @app.get("/unchanged", status_code=304)
    async def unchanged(response: Response) -> None:
        response.headers["ETag"] = '"1"'

    @app.get("/there")
    async def there() -> int:
        return 1

    @app.websocket("/talk")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        named: list[tuple[bytes, bytes]] = [(b"Content-Type", b"text/plain"), (b"X-Own", b"1")]
        start: dict[str, Any] = {"type": "http.response.start", "status": 204}
        await send(start | ({"headers": named} if scope["path"].endswith("/named") else {}))
        await send({"type": "http.response.body"})

    app.mount("/mounted", mounted)
    app.include_router(compiled)
    return app


@pytest.mark.parametrize(
    ("method", "path", "kept"),
    [
        ("DELETE", "/plain", {}),
        ("DELETE", "/compiled", {}),
        ("GET", "/unchanged", {"ETag": '"1"'}),
        ("GET", "/mounted/named", {"X-Own": "1"}),
        ("GET", "/mounted/bare", {}),
    ],
)
def test_without_content_there_is_no_type(method: str, path: str, kept: dict[str, str]) -> None:
    response = TestClient(backend()).request(method, path)
    assert (response.status_code in (204, 304), response.content) == (True, b"")
    assert "Content-Type" not in response.headers
    assert {name: response.headers[name] for name in kept} == kept


def test_what_has_content_has_its_type() -> None:
    assert TestClient(backend()).get("/there").headers["Content-Type"] == "application/json"


def test_a_socket_is_none_of_its_business() -> None:
    with TestClient(backend()).websocket_connect("/talk") as socket:
        assert socket.receive_text() == "hello"
