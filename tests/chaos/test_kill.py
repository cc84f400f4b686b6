"""kill -9 while clients write: what was acknowledged is there after the restart."""

import threading
import time

import httpx2
import pytest
from tests.backend import Backend

ROUNDS = 20
CLIENTS = 8
WRITES = 50
"""Answers that a round waits for before the server is killed."""
PATIENCE = 60.0


def write(backend: Backend, name: str, acknowledged: dict[int, str], stop: threading.Event) -> None:
    """Create todos until the server is gone, and note those that were answered with 201."""
    with backend.client(headers=backend.headers) as caller:
        for number in range(100_000):
            if stop.is_set():
                return
            title = f"{name} {number}"
            try:
                response = caller.post("/api/todos", json={"title": title})
            except httpx2.TransportError:
                return
            assert response.status_code == 201
            acknowledged[response.json()["id"]] = title


def everything(backend: Backend) -> dict[int, str]:
    found: dict[int, str] = {}
    with backend.client(headers=backend.headers) as caller:
        url = "/api/todos?limit=200"
        while url:
            page = caller.get(url).raise_for_status()
            found |= {todo["id"]: todo["title"] for todo in page.json()}
            url = page.links.get("next", {}).get("url", "")
    return found


@pytest.mark.timeout(1800)
def test_no_acknowledged_write_is_lost(durable: Backend) -> None:
    acknowledged: dict[int, str] = {}
    for number in range(ROUNDS):
        stop = threading.Event()
        before = len(acknowledged)
        with durable.serving() as server:
            writers = [
                threading.Thread(target=write, args=(durable, f"{number}/{client}", acknowledged, stop))
                for client in range(CLIENTS)
            ]
            for writer in writers:
                writer.start()
            deadline = time.monotonic() + PATIENCE
            while len(acknowledged) < before + WRITES and time.monotonic() < deadline:
                time.sleep(0.005)
            server.kill()
            server.wait()
            stop.set()
            for writer in writers:
                writer.join()
        assert len(acknowledged) >= before + WRITES
    with durable.serving():
        assert acknowledged.items() <= everything(durable).items()
