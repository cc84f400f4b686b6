"""/api/stream: Server-Sent Events, one at a time as they are made."""

from collections.abc import AsyncIterator

import anyio
from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent

from dependencies import CallerDep
from schemas import StreamCreate
from settings import settings
from stanchion.errors import UnavailableError, responses

router = APIRouter(prefix="/api/stream", tags=["stream"], responses=responses(UnavailableError))


@router.post("", response_class=EventSourceResponse, summary="Stream an answer")
async def create_stream(body: StreamCreate, caller: CallerDep) -> AsyncIterator[ServerSentEvent]:
    """Send the words of the prompt back as `message` events, then `done`.

    Put your model here. It ends when the client leaves, and FastAPI sends a heartbeat in
    long pauses.
    """
    words = body.prompt.split()
    for index, word in enumerate(words):
        yield ServerSentEvent(event="message", id=str(index), data={"text": word})
        await anyio.sleep(settings.STREAM_INTERVAL)
    yield ServerSentEvent(event="done", data={"words": len(words)})
