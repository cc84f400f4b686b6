"""The load of our own: HTTP/1.1 over raw sockets, one request after the other on each connection.

    python -m benchmarks.http.client PORT CONNECTIONS SECONDS <requests.json

Reads a JSON array of requests as they go over the wire, sends them in turn, and prints what came of it.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)
_PATIENCE = 30.0


class Load:
    """What all connections of a run have in common."""

    def __init__(self, requests: list[bytes], port: int, seconds: float) -> None:
        self.requests: Iterator[bytes] = cycle(requests)
        self.port = port
        self.began = time.perf_counter()
        self.ends = self.began + seconds
        self.latencies: list[float] = []
        self.errors = 0

    def report(self) -> dict[str, Any]:
        """Return the figures, as `load.Figures` has them."""
        seconds = time.perf_counter() - self.began
        taken = sorted(self.latencies)
        return {
            "requests": len(taken),
            "seconds": seconds,
            "p50_ms": taken[len(taken) // 2] * 1000 if taken else 0.0,
            "p99_ms": taken[len(taken) * 99 // 100] * 1000 if taken else 0.0,
            "errors": self.errors,
        }


class Connection(asyncio.Protocol):
    """One client: it sends, waits for the whole answer, notes how long that took, and sends again."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._received = b""
        self._transport: Any = None
        self._sent = 0.0
        self._waits = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head = self._received.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._received, 0, head + 2)
        if length is None:  # no subject answers in chunks: the length is known
            self._fail()
        elif len(self._received) >= head + 4 + int(length[1]):
            self._answered(self._received[9:10] == b"2", closes=b"\r\nconnection: close" in self._head(head))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waits:
            self.load.errors += 1
        if not self.ended.done():
            self.ended.set_result(None)

    def _head(self, end: int) -> bytes:
        return self._received[:end].lower()

    def _send(self) -> None:
        self._received, self._waits, self._sent = b"", True, time.perf_counter()
        self._transport.write(next(self.load.requests))

    def _answered(self, succeeded: bool, *, closes: bool) -> None:
        now = time.perf_counter()
        self.load.latencies.append(now - self._sent)
        self.load.errors += not succeeded
        self._waits = False
        if closes or now >= self.load.ends:
            self._transport.close()
        else:
            self._send()

    def _fail(self) -> None:
        self.load.errors += 1
        self._waits = False
        self._transport.close()


async def client(load: Load) -> None:
    """Keep one connection at work until the time is over; where the server closes it, open another."""
    loop = asyncio.get_running_loop()
    while time.perf_counter() < load.ends:
        try:
            transport, protocol = await loop.create_connection(
                lambda: Connection(load), "127.0.0.1", load.port
            )
        except OSError:
            load.errors += 1
            await asyncio.sleep(0.01)
            continue
        try:
            await asyncio.wait_for(protocol.ended, load.ends - time.perf_counter() + _PATIENCE)
        except TimeoutError:
            transport.abort()


async def run(requests: list[bytes], port: int, connections: int, seconds: float) -> dict[str, Any]:
    """Return the figures of that many clients."""
    load = Load(requests, port, seconds)
    await asyncio.gather(*(client(load) for _ in range(connections)))
    return load.report()


def main() -> None:
    port, connections, seconds = sys.argv[1:]
    requests = [request.encode() for request in json.load(sys.stdin)]
    figures = run(requests, int(port), int(connections), float(seconds))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        print(json.dumps(runner.run(figures)))


def _loop_factory() -> Any:
    try:
        import uvloop  # optional: there is none on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    main()
