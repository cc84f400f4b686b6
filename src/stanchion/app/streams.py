"""Event streams end when the process is told to: they would hold it until the server's patience ends."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stanchion.exchange import Exchange, Headers

_DISCONNECT = {"type": "http.disconnect"}


class StopStreamsMiddleware:
    """Ends each `text/event-stream` in good order at SIGTERM and SIGINT; its client connects again.

    The signals go on to whoever handled them before: the server, which then has nobody to wait
    for. A response of another kind has an end of its own, and is let finish.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._stopping: _Stopping | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            with _told() as self._stopping:
                await self.app(scope, receive, send)
        elif scope["type"] == "http" and self._stopping:
            exchange, send = Exchange.of(scope, send)
            reading = _Reading(self._stopping, receive)
            exchange.shapes.append(reading.note)
            await self.app(scope, reading.receive, send)
            if reading.is_stream and not exchange.has_ended and self._stopping.is_set():
                with suppress(OSError):  # the client may have left by itself
                    await send({"type": "http.response.body"})
        else:
            await self.app(scope, receive, send)


class _Reading:
    """The reading of a request; who reads is told that the client has left when a stream is to stop."""

    __slots__ = ("_receive", "_stopping", "_whole", "is_stream")

    def __init__(self, stopping: "_Stopping", receive: Receive) -> None:
        self._stopping, self._receive = stopping, receive
        self._whole = False  # has the body of the request arrived?
        self.is_stream = False

    def note(self, exchange: Exchange, headers: Headers) -> None:
        """Look at the response, which begins, whether it is a stream of events."""
        for name, value in headers:
            if value.startswith(b"text/event-stream") and name.lower() == b"content-type":
                self.is_stream = True
                self._stopping.end()  # who reads may have begun to listen before this was known

    async def receive(self) -> Message:
        if not self._whole:
            message = await self._receive()
            self._whole = not message.get("more_body")
            return message
        # What is asked for now is whether the client is still there.
        with self._stopping.ending(lambda: self.is_stream) as scope:
            return await self._receive()
        assert scope.cancelled_caught  # nothing else leaves the block without a message
        return _DISCONNECT


class _Stopping:
    """Whether the process was told to stop, and the scopes that are to end then: no task waits for it."""

    def __init__(self) -> None:
        self._scopes: dict[anyio.CancelScope, Callable[[], bool]] = {}
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        self.end()

    def end(self) -> None:
        """End the scopes that are wanted to, where the process was told to stop."""
        for scope, wanted in list(self._scopes.items()) if self._is_set else ():
            if wanted():
                scope.cancel()

    @contextmanager
    def ending(self, wanted: Callable[[], bool]) -> Iterator[anyio.CancelScope]:
        """Run a block that ends when the process is told to stop, if it is `wanted` then."""
        with anyio.CancelScope() as scope:
            self._scopes[scope] = wanted
            self.end()
            try:
                yield scope
            finally:
                del self._scopes[scope]


@contextmanager
def _told() -> Iterator[_Stopping | None]:
    """Give what is set at each signal that stops a server; the signal is handed on.

    None outside the main thread, which alone hears of signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield None
        return
    stopping = _Stopping()
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}

    def chained(handler: Callable[[int, FrameType | None], Any]) -> Callable[[int, FrameType | None], None]:
        def tell(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(stopping.set)
            handler(number, frame)

        return tell

    for number in (signal.SIGTERM, signal.SIGINT):
        handler = signal.getsignal(number)
        if callable(handler):  # else nobody would stop: it is ignored, or ends the process at once
            before[number] = handler
            signal.signal(number, chained(handler))
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
