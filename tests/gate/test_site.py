"""A backend by its URL alone: asked from outside, and written to only on this machine, or by its owner."""

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Security
from fastapi.security import APIKeyHeader
from pydantic import BaseModel

from stanchion.gate import Kind, Options, Report, Site, SiteError, all_rules, check
from stanchion.gate.site import is_loopback

pytestmark = pytest.mark.slow

LIVE = [one for one in all_rules() if one.id in ("A03", "H02", "H04", "S01", "D04", "C01", "O01")]


class Served:
    """A small backend without a database, on a port of its own, that keeps the methods it was sent."""

    def __init__(self, **options: Any) -> None:
        self.app = FastAPI(**options)
        self.methods: list[str] = []
        router = APIRouter()

        @router.get("/things")
        def things() -> list[int]:
            return [1]

        @router.post("/things")
        def make() -> dict[str, int]:
            return {"id": 1}

        @router.get("/things/{thing_id}")
        def read(thing_id: int) -> dict[str, int]:
            return {"id": thing_id}

        @self.app.middleware("http")
        async def keep(request: Any, call_next: Any) -> Any:
            self.methods.append(request.method)
            assert not any(name.startswith("x-stanchion") for name in request.headers)
            return await call_next(request)

        self.app.include_router(router, prefix="/api")


@pytest.fixture
def serve() -> Iterator[Any]:
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(served: Served) -> str:
        server = uvicorn.Server(uvicorn.Config(served.app, port=0, log_config=None))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        running.append((server, thread))
        port: int = server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join()


def reasons(report: Report) -> dict[str, str]:
    return {result.rule.id: result.reason for result in report.results}


def test_what_can_be_done_from_outside(serve: Any) -> None:
    served = Served()
    url = serve(served)
    report = check(Site.find(f"{url}/"), rules=LIVE)
    assert (report.target, report.notes, report.error) == (url, ("asked from outside",), "")
    found = {result.rule.id: result.findings for result in report.results if result.findings}
    assert set(found) == {"H02", "H04"}
    assert found["H04"][0].curl.startswith(f"curl -i {url}/api/things/")
    assert (found["H04"][0].file, found["H04"][0].operation) == ("", "GET /api/things/{thing_id}")
    assert reasons(report) == {
        **dict.fromkeys(("H02", "H04", "S01", "O01"), ""),
        "A03": "no operation streams",
        "D04": "what happens inside is not seen by the URL alone: name the project's folder",
        "C01": "there is no source: name the project with --path",
    }


def test_the_source_beside_it(serve: Any, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("def hello(name):\n    return name\n")
    report = check(
        Site.find(serve(Served()), folder=tmp_path), rules=[one for one in LIVE if one.id == "C01"]
    )
    (result,) = report.results
    assert result.verified
    assert [finding.file for finding in result.findings] == ["main.py"]


def test_nothing_is_written_elsewhere(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    served = Served()
    url = serve(served)
    monkeypatch.setattr("stanchion.gate.site.is_loopback", lambda host: False)
    rules = [one for one in all_rules() if one.kind is Kind.live]
    report = check(Site.find(url), rules=rules)
    assert report.notes == ("asked from outside, reading only",)
    assert set(served.methods) <= {"GET", "HEAD", "OPTIONS"}
    assert reasons(report)["H02"] == (
        f"it sends POST, and {url} is not this machine: if it is yours to write to, say --i-own-this-target"
    )
    assert "POST" not in served.methods
    check(Site.find(url, owned=True), rules=LIVE)
    assert "POST" in served.methods


class Notes:
    """A backend that is used: notes are in it, and operations that would lose them."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.notes: dict[int, dict[str, Any]] = {
            number: {"id": number, "title": f"note {number}"} for number in (1, 2, 3)
        }
        self.settings = {"title": "ours"}
        self.taken: list[str] = []
        self._next = itertools.count(4)
        scheme = APIKeyHeader(name="X-API-Key", auto_error=False)

        def authorize(key: str | None = Security(scheme)) -> None:
            if key != "given-key":
                raise HTTPException(401)

        security, forgotten = [Depends(authorize)], [Depends(scheme)]

        @self.app.middleware("http")
        async def keep(request: Any, call_next: Any) -> Any:
            answer = await call_next(request)
            if request.method in ("DELETE", "PATCH", "PUT"):
                self.taken.append(f"{request.method} {request.url.path} {answer.status_code}")
            return answer

        @self.app.get("/notes", dependencies=security)
        def notes() -> list[dict[str, Any]]:
            return list(self.notes.values())

        @self.app.post("/notes", status_code=201)
        def make(body: Title) -> dict[str, Any]:
            number = next(self._next)
            self.notes[number] = {"id": number, "title": body.title, "by": {"id": 1}}
            return self.notes[number]

        @self.app.delete("/notes", dependencies=forgotten)
        @self.app.post("/notes/delete-all", dependencies=forgotten)
        def clear() -> None:
            self.notes.clear()

        @self.app.get("/notes/{note_id}", dependencies=security)
        def read(note_id: int) -> dict[str, Any]:
            if note_id not in self.notes:
                raise HTTPException(404)
            return self.notes[note_id]

        @self.app.put("/notes/{note_id}", dependencies=security)
        @self.app.patch("/notes/{note_id}", dependencies=security)
        def change(note_id: int, body: Title) -> dict[str, Any]:
            return {**read(note_id), "title": self.notes[note_id].update(title=body.title) or body.title}

        @self.app.delete("/notes/{note_id}", dependencies=security, status_code=204)
        def delete(note_id: int) -> None:
            read(note_id)
            del self.notes[note_id]

        @self.app.put("/settings")
        def configure(body: Title) -> dict[str, str]:
            self.settings.update(title=body.title)
            return self.settings

        @self.app.delete("/settings", status_code=204)
        def reset() -> None:
            self.settings.clear()


class Title(BaseModel):
    title: str


def test_what_was_there_before_is_there_after(serve: Any) -> None:
    """After every rule: only what the gate has made is changed, and deleted."""
    served = Notes()
    before = {number: dict(note) for number, note in served.notes.items()}
    report = check(Site.find(serve(served)), options=Options(key="given-key"))
    assert {number: served.notes.get(number) for number in before} == before
    assert served.settings == {"title": "ours"}
    taken = {one.rpartition(" ")[0] for one in served.taken}
    assert {method.partition(" ")[0] for method in taken} == {"DELETE", "PATCH", "PUT"}
    numbers = {int(one.rpartition("/")[2]) for one in taken}
    assert min(numbers) > 3
    whys = reasons(report)
    assert not [one for one in whys.values() if "the rule failed" in one]
    assert whys["S05"].endswith("from outside, only what the gate has made is changed")
    assert "from outside, nothing is sent that may take away" in whys["C04"]
    assert "DELETE /settings: it was not asked" in whys["T01"]


@pytest.mark.parametrize(
    ("options", "below"),
    [
        ({}, "/openapi.json"),
        ({"openapi_url": "/api/v1/openapi.json"}, ""),
        ({"openapi_url": "/schema.json"}, "/schema.json"),
    ],
)
def test_where_the_document_is(serve: Any, options: dict[str, str], below: str) -> None:
    url = serve(Served(**options))
    site = Site.find(url + below)
    assert site.url == url
    assert "/api/things" in site.fetch()["paths"]


def test_without_a_document_nothing_is_verified(serve: Any) -> None:
    url = serve(Served(openapi_url=None))
    report = check(Site.find(url), rules=LIVE)
    assert report.verified == 0
    assert reasons(report)["O01"] == (
        f"there is no OpenAPI document at {url}/openapi.json: name where it is, "
        "as in stanchion check https://host/api/openapi.json"
    )


@pytest.mark.parametrize("url", ["ftp://host/", "http://", "http://host:port/", "https:///path"])
def test_no_url(url: str) -> None:
    with pytest.raises(SiteError, match="is no URL of a backend: write it as"):
        Site.find(url)


def test_nothing_answers(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"^Nothing answers at http://127\.0\.0\.1:1 \(.+\): start it, or"):
        Site.find("http://127.0.0.1:1/")
    with pytest.raises(SiteError, match=r"no is no folder: name the project's with --path\.$"):
        Site.find("http://127.0.0.1:1/", folder=tmp_path / "no")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("127.0.0.1", "127.8.8.8", "localhost", "::1", "[::1]", "0.0.0.0")),
        *((host, False) for host in ("10.0.0.1", "localhost.example.com", "example.com", "8.8.8.8", "")),
    ],
)
def test_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
