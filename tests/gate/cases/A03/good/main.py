import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()


@app.get("/ready")
async def ready() -> str:
    """Say that it is there."""
    return "yes"


@app.get("/ticks", response_class=StreamingResponse)
async def ticks() -> Any:
    """Tick, half a second long."""

    async def body() -> AsyncIterator[str]:
        for number in range(10):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0.05)

    return StreamingResponse(body(), media_type="text/event-stream")
