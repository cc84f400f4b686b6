"""The stream over HTTP: as it is made, with a heartbeat, and no longer than the client is there."""

import time
from pathlib import Path

import pytest
from fastapi.sse import _PING_INTERVAL
from tests.backend import Backend, make

WORDS = 40


def logged(backend: Backend) -> float | None:
    """Return how many milliseconds the stream was open, once its line is in the log."""
    lines = [line for line in backend.log() if line.get("route") == "/api/stream"]
    return lines[-1]["duration_ms"] if lines else None


@pytest.mark.slow
def test_it_ends_when_the_client_leaves(tmp_path: Path) -> None:
    backend = make(tmp_path, f"sqlite:///{tmp_path}/test.db")
    body = {"prompt": " ".join("abcd"[number % 4] for number in range(WORDS))}
    with (
        backend.serving(STREAM_INTERVAL="0.5"),
        backend.client(headers=backend.headers) as caller,
    ):
        with caller.stream("POST", "/api/stream", json=body) as response:
            chunks = response.iter_raw()  # kept: collected, it would close the response
            first = next(chunks)
            assert b"event: message" in first
            assert b"done" not in first  # nothing is gathered before it is sent
            assert logged(backend) is None
        deadline = time.monotonic() + WORDS
        while logged(backend) is None and time.monotonic() < deadline:
            time.sleep(0.1)
        duration = logged(backend)
    assert duration is not None
    assert duration < WORDS * 500 / 2


@pytest.mark.slow
def test_a_heartbeat_in_a_long_pause(tmp_path: Path) -> None:
    backend = make(tmp_path, f"sqlite:///{tmp_path}/test.db")
    received = b""
    assert _PING_INTERVAL <= 15  # seconds, in which no proxy gives a connection up
    with (
        backend.serving("hasty:app", Path(__file__).parent, STREAM_INTERVAL="60"),
        backend.client(headers=backend.headers) as caller,
        caller.stream("POST", "/api/stream", json={"prompt": "one two"}) as response,
    ):
        for chunk in response.iter_raw():
            received += chunk
            if b": ping\n\n" in received:
                break
    assert received.count(b"event: message") == 1
    assert b": ping\n\n" in received
