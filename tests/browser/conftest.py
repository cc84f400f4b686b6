"""Chromium without a network, `stanchion dev` for it to look at, and a web page of other origins."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from dotenv import dotenv_values
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    expect,
    sync_playwright,
)
from tests.serving import TEMPLATE, environment

PATIENCE = 30
STREAM_INTERVAL = 0.2

FRIEND = "http://localhost:3000"
"""The origin that CORS_ORIGINS names where it is not set."""
STRANGER = "http://elsewhere.example"

QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Backend:
    """The template as `stanchion dev` serves it from an empty folder."""

    url: str
    key: str
    stream_interval: float = STREAM_INTERVAL


@pytest.fixture(scope="session")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Start it, with no setting but those that it writes; the key is the first key, from its .env."""
    folder = tmp_path_factory.mktemp("backend")
    log = folder / "output.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "stanchion.cli", "dev", "--app-dir", str(TEMPLATE), "--port", "0"],
            cwd=folder,
            env=environment(STREAM_INTERVAL=str(STREAM_INTERVAL)),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = _address(process, log)
        key = dotenv_values(folder / ".env")["API_KEY"]
        assert key
        yield Backend(url, key)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(PATIENCE)


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while not (found := re.search(r"^Serving (\S+)$", log.read_text(), re.MULTILINE)):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found[1]


BLANK = "<!doctype html><title>A client</title>"
"""A page that is all a test's own."""
ICON = '<link rel="icon" href="data:,">'
"""Of every page, so that none is asked for."""


@dataclass
class Site:
    """A server of web pages: what stands at a path, and elsewhere a blank one."""

    address: str
    pages: dict[str, str]


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """Serve pages: Chromium finds them as FRIEND and as STRANGER."""

    pages: dict[str, str] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = (pages.get(self.path, BLANK) + ICON).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield Site(f"127.0.0.1:{server.server_port}", pages)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def chromium(playwright: Playwright, site: Site) -> Iterator[Browser]:
    """Start Chromium, with a new profile, where no name but those of the page has an address."""
    names = [f"MAP {origin.removeprefix('http://')} {site.address}" for origin in (FRIEND, STRANGER)]
    rules = [*names, "MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1"]
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    browser = playwright.chromium.launch(
        executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
        args=[*QUIET, *root, f"--host-resolver-rules={', '.join(rules)}"],
    )
    yield browser
    browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """Open a window that knows of nothing before, 1280 wide."""
    context = chromium.new_context(viewport={"width": 1280, "height": 720})
    context.set_default_timeout(PATIENCE * 1000)
    yield context
    context.close()


@pytest.fixture
def complaints(context: BrowserContext) -> Iterator[list[str]]:
    """What goes to the console as an error, a failed request too: a test that expects some takes them out."""
    heard: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error":  # a warning is Swagger UI's word to its own developers
            heard.append(message.text)

    context.on("console", listen)
    context.on("weberror", lambda error: heard.append(str(error.error)))
    yield heard
    assert heard == []


@pytest.fixture
def page(context: BrowserContext, complaints: list[str]) -> Page:
    return context.new_page()


@pytest.fixture
def artifacts(tmp_path: Path) -> Path:
    """Where pictures go: the folder that BROWSER_ARTIFACTS names, or one that pytest clears away."""
    folder = Path(os.environ.get("BROWSER_ARTIFACTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
