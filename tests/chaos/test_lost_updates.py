"""Many clients change one row through GET and If-Match, on two server processes: no change is lost."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.backend import Backend
from tests.serving import free_port

CLIENTS, SUCCESSES = 32, 50


def increment(backend: Backend, path: str) -> int:
    """Add one until that has succeeded often enough, and return how often it was refused."""
    succeeded = refused = 0
    with backend.client(headers=backend.headers) as caller:
        while succeeded < SUCCESSES:
            read = caller.get(path).raise_for_status()
            changed = caller.put(
                path,
                json={"title": str(int(read.json()["title"]) + 1)},
                headers={"If-Match": read.headers["ETag"]},
            )
            assert changed.status_code in (200, 412, 503), changed.text
            if changed.status_code == 503:  # the database was busy with others for too long
                assert "Retry-After" in changed.headers
            succeeded += changed.status_code == 200
            refused += changed.status_code != 200
    return refused


@pytest.mark.timeout(1800)
def test_no_update_is_lost(durable: Backend, tmp_path: Path) -> None:
    second = Backend(f"http://127.0.0.1:{free_port()}", durable.database_url, tmp_path, durable.key)
    with durable.serving(), second.serving():
        with durable.client(headers=durable.headers) as caller:
            path = caller.post("/api/todos", json={"title": "0"}).headers["Location"]
        servers = [durable, second] * (CLIENTS // 2)
        with ThreadPoolExecutor(CLIENTS) as pool:
            refused = sum(pool.map(lambda backend: increment(backend, path), servers))
        with second.client(headers=second.headers) as caller:
            read = caller.get(path)
    assert read.json()["title"] == str(CLIENTS * SUCCESSES)
    assert read.headers["ETag"] == f'"{CLIENTS * SUCCESSES + 1}"'
    assert refused > 0, "they never met"
