"""A web page of another origin, in a real browser: the one in CORS_ORIGINS may, any other may not.

No request is routed here: Playwright would answer the preflights itself.
"""

import re
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Page

if TYPE_CHECKING:
    from tests.browser.conftest import Backend

FRIEND = "http://localhost:3000"
STRANGER = "http://elsewhere.example"

FETCH = """
async ([url, method, headers, body]) => {
    try {
        const answer = await fetch(url, {method, headers, body, credentials: "include"})
        const text = await answer.text()
        return {status: answer.status, headers: Object.fromEntries(answer.headers), text}
    } catch (error) {
        return {refused: error.name}
    }
}
"""
READ_CHUNKS = """
async ([url, headers, body]) => {
    const answer = await fetch(url, {method: "POST", headers, body, credentials: "include"})
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
    const chunks = []
    for (;;) {
        const {done, value} = await reader.read()
        if (done) return {status: answer.status, chunks}
        chunks.push({seconds: performance.now() / 1000, text: value})
    }
}
"""


def fetch(
    page: Page, backend: "Backend", method: str, path: str, body: str | None = None, key: bool = True
) -> dict[str, Any]:
    headers = {"X-API-Key": backend.key} if key else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    answer: dict[str, Any] = page.evaluate(FETCH, [backend.url + path, method, headers, body])
    return answer


def titles(page: Page, backend: "Backend") -> str:
    """Ask the backend from outside of the page."""
    answer = page.request.get(f"{backend.url}/api/todos?limit=200", headers={"X-API-Key": backend.key})
    return str(answer.text())


def test_a_page_of_the_origin_in_the_settings_can_read_and_write(page: Page, backend: "Backend") -> None:
    page.goto(FRIEND)
    created = fetch(page, backend, "POST", "/api/todos", '{"title": "From a page"}')
    assert created["status"] == 201
    assert re.fullmatch(r'"\d+"', created["headers"]["etag"])
    assert created["headers"]["location"].startswith("/api/todos/")
    fetch(page, backend, "POST", "/api/todos", '{"title": "From a page, too"}')
    listed = fetch(page, backend, "GET", "/api/todos?limit=1&count=exact")
    assert listed["status"] == 200
    assert 'rel="next"' in listed["headers"]["link"]
    assert int(listed["headers"]["x-total-count"]) >= 2
    changed = fetch(page, backend, "PATCH", created["headers"]["location"], '{"status": "completed"}')
    assert changed["status"] == 200
    assert changed["headers"]["etag"] != created["headers"]["etag"]


def test_that_page_can_read_an_error(page: Page, backend: "Backend", complaints: list[str]) -> None:
    page.goto(FRIEND)
    refused = fetch(page, backend, "GET", "/api/todos", key=False)
    assert refused["status"] == 401
    assert refused["headers"]["content-type"] == "application/problem+json"
    assert refused["headers"]["x-request-id"] in refused["text"]
    assert "401" in complaints.pop()


def test_a_page_of_another_origin_can_neither_read_nor_write(
    page: Page, backend: "Backend", complaints: list[str]
) -> None:
    page.goto(STRANGER)
    assert fetch(page, backend, "GET", "/api/todos") == {"refused": "TypeError"}
    assert fetch(page, backend, "POST", "/api/todos", '{"title": "Smuggled"}') == {"refused": "TypeError"}
    assert fetch(page, backend, "GET", "/health", key=False) == {"refused": "TypeError"}
    assert "Smuggled" not in titles(page, backend)
    policy = [complaint for complaint in complaints if "blocked by CORS policy" in complaint]
    assert len(policy) == 3
    complaints.clear()


def test_that_page_reads_a_stream_as_it_is_made(page: Page, backend: "Backend") -> None:
    page.goto(FRIEND)
    words = "one two three four five six"
    headers = {"X-API-Key": backend.key, "Content-Type": "application/json"}
    answer = page.evaluate(READ_CHUNKS, [f"{backend.url}/api/stream", headers, f'{{"prompt": "{words}"}}'])
    assert answer["status"] == 200
    chunks = answer["chunks"]
    assert "event: done" not in chunks[0]["text"]
    whole = "".join(chunk["text"] for chunk in chunks)
    assert re.findall(r'"text": ?"(\w+)"', whole) == words.split()
    assert whole.count("event: done") == 1
    # From the first word to the end the backend sleeps six times: all of it was seen here.
    assert chunks[-1]["seconds"] - chunks[0]["seconds"] > backend.stream_interval * 3
