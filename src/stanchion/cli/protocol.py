"""Uvicorn's protocol over a transport that sends the head of an answer and its body as one."""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_HEAD = b"HTTP/"
"""How the head of an answer begins (RFC 9112, section 4)."""
_SMALL = 65_536
"""Bytes of a body up to which it is copied behind its head; a larger one is written by itself."""


class Joining:
    """A transport that keeps the head of an answer until its body is written, or the loop's next turn.

    Uvicorn writes them apart, and uvloop hands each write to the system at once: two calls, and two packets
    for the client to wake up for. In all else it is the transport that it is made of. What else begins as a
    head does, a `100 Continue` or a part of a body, may be kept as long; all leaves in its order.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._soon = loop.call_soon
        self._head: bytes | None = None
        self.is_closing = transport.is_closing  # asked for each request: not through __getattr__

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send the data, behind the head that was kept; or keep it, where it is one."""
        head = self._head
        if head is not None:
            self._head = None
            if len(data) <= _SMALL:
                self._transport.write(b"".join((head, data)))
                return
            self._transport.write(head)
        elif data[: len(_HEAD)] == _HEAD:
            self._head = bytes(data)
            self._soon(self.flush)
            return
        self._transport.write(data)

    def writelines(self, list_of_data: Any) -> None:
        """Send these, one behind the other."""
        self.flush()
        self._transport.writelines(list_of_data)

    def write_eof(self) -> None:
        """Send what was kept, and that nothing more comes."""
        self.flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Send what was kept, and close."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Send what was kept, unless the connection is lost."""
        head, self._head = self._head, None
        if head is not None and not self.is_closing():
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Joined(asyncio.Protocol):
    """What is put before a protocol of uvicorn's, so that it writes to a transport that joins."""

    loop: asyncio.AbstractEventLoop

    def connection_made(self, transport: Any) -> None:
        self._joining = Joining(transport, self.loop)
        super().connection_made(cast("Any", self._joining))

    def eof_received(self) -> bool | None:
        self._joining.flush()  # the transport is about to close by itself
        return super().eof_received()


class Protocol(Joined, AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # whichever of the two is installed
    """Uvicorn's own protocol: that of httptools, or of h11 where httptools is not installed."""
