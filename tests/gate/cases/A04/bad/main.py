import asyncio
from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response, StreamingResponse

app = FastAPI()


@app.get("/ready")
async def ready() -> str:
    """Say that it is there."""
    return "yes"


@app.get("/ticks", response_class=StreamingResponse)
async def ticks() -> Any:
    """Tick, half a second long."""

    async def send_all(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(40):
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            await asyncio.sleep(0.05)
        await send({"type": "http.response.body", "body": b""})

    response = Response(media_type="text/event-stream")
    response.__class__ = type("Endless", (Response,), {"__call__": staticmethod(send_all)})
    return response
