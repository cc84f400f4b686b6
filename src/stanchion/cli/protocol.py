"""Uvicorn's protocol over a transport that sends the head of an answer and its body as one."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_HEAD = b"HTTP/"
"""How the head of an answer begins (RFC 9112, section 4)."""


class Joining:
    """A transport that keeps the head of an answer until its body is written, or the loop's next turn.

    Uvicorn writes them apart, and uvloop hands each write to the system at once: two calls, and two packets
    for the client to wake up for. In all else it is the transport that it is made of.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._soon = loop.call_soon
        self._head: bytes | None = None
        # Asked for each request: without the way through __getattr__.
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def write(self, data: bytes) -> None:
        """Send the data, behind the head that was kept; or keep it, where it is one."""
        head = self._head
        if head is not None:
            self._head = None
            self._transport.writelines((head, data))
        elif data.startswith(_HEAD):
            self._head = data
            self._soon(self._flush)
        else:
            self._transport.write(data)

    def writelines(self, list_of_data: Any) -> None:
        """Send these, one behind the other."""
        self._flush()
        self._transport.writelines(list_of_data)

    def write_eof(self) -> None:
        """Send what was kept, and that nothing more comes."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Send what was kept, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        head, self._head = self._head, None
        if head is not None and not self.is_closing():
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # whichever of the two is installed
    """Uvicorn's own protocol: that of httptools, or of h11 where httptools is not installed."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(cast("Any", Joining(transport, self.loop)))
