"""The feed over HTTP, on both databases: as a browser and `curl -N` read it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.backend import Backend, make

FEED = "/api/todos/events"


def events(response: httpx2.Response) -> Iterator[dict[str, str]]:
    """Give the fields of each block that arrives; a block without data is no event."""
    block: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            block[name] = value
        elif block:
            yield block
            block = {}


def next_event(blocks: Iterator[dict[str, str]]) -> Any:
    """Return the next event, its data read."""
    for block in blocks:
        if "data" in block:
            return {**block, "data": json.loads(block["data"])}
    raise AssertionError("the stream has ended")


def test_a_change_arrives(backend: Backend) -> None:
    with backend.client(headers=backend.headers) as caller, caller.stream("GET", FEED) as response:
        blocks = events(response)
        first = next(blocks)
        assert set(first) == {"retry", "id"}
        made = caller.post("/api/todos", json={"title": "Buy milk"})
        created = next_event(blocks)
        caller.patch(made.headers["Location"], json={"title": "Buy bread"})
        updated = next_event(blocks)
        caller.delete(made.headers["Location"])
        deleted = next_event(blocks)
    assert created["event"] == "created"
    assert created["data"]["data"] == made.json()
    assert created["data"]["request_id"] == made.headers["X-Request-ID"]
    assert [one["data"]["version"] for one in (created, updated, deleted)] == [1, 2, 2]
    assert [one["event"] for one in (updated, deleted)] == ["updated", "deleted"]
    assert deleted["data"]["data"]["title"] == "Buy bread"


def test_a_ticket_is_in_no_log(backend: Backend) -> None:
    with backend.client(headers=backend.headers) as caller:
        ticket = caller.post(f"{FEED}/ticket").raise_for_status().json()["ticket"]
        made = caller.post("/api/todos", json={"title": "first"}).json()
    with backend.client() as browser:
        with browser.stream("GET", FEED, params={"ticket": ticket}) as response:
            assert response.status_code == 200
            since = next(events(response))["id"]
        with backend.client(headers=backend.headers) as caller:
            caller.patch(f"/api/todos/{made['id']}", json={"title": "second"}).raise_for_status()
        query = {"ticket": ticket, "last_event_id": since}
        with browser.stream("GET", FEED, params=query) as response:
            assert next_event(events(response))["data"]["data"]["title"] == "second"
        for method in ("POST", "GET"):
            assert browser.request(method, "/api/todos", params={"ticket": ticket}).status_code == 401
    log = (backend.directory / "log").read_text()
    assert FEED in log
    assert ticket not in log


@pytest.mark.slow
def test_a_stop_ends_it_and_the_next_process_goes_on(tmp_path: Path) -> None:
    backend = make(tmp_path, f"sqlite:///{tmp_path}/test.db")
    with backend.serving() as server, backend.client(headers=backend.headers) as caller:
        with caller.stream("GET", FEED) as response:
            blocks = events(response)
            caller.post("/api/todos", json={"title": "one"})
            since = next_event(blocks)["id"]
            caller.post("/api/todos", json={"title": "two"})
            server.terminate()
            began = time.monotonic()
            assert [block["event"] for block in blocks if "data" in block] in ([], ["created"])
            server.wait(20)
        assert time.monotonic() - began < 20
    with (
        backend.serving(),
        backend.client(headers=backend.headers) as caller,
        caller.stream("GET", FEED, headers={"Last-Event-ID": since}) as response,
    ):
        blocks = events(response)
        assert next_event(blocks)["data"]["data"]["title"] == "two"
        caller.post("/api/todos", json={"title": "three"})
        assert next_event(blocks)["data"]["data"]["title"] == "three"


def test_a_position_that_is_gone(backend: Backend) -> None:
    with backend.client(headers=backend.headers) as caller:
        refused = caller.get(FEED, headers={"Last-Event-ID": "1-00000000"})
    assert (refused.status_code, refused.json()["error"]) == (410, "event_position_gone")
