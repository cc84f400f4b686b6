"""The site in Chromium, which finds no other host; and the skill's client, against the backend."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from scripts import docs

if TYPE_CHECKING:
    from tests.browser.conftest import Backend

CLIENT = re.compile(r"^```js\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [
    "index",
    "tutorial",
    "how-to/resources",
    "reference/stanchion.resource",
    "reference/settings",
    "reference/commands",
    "rules/index",
    "rules/D06",
    "skill/references/anti-patterns",
    "CHANGELOG",
]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return docs.build(tmp_path_factory.mktemp("docs"))


@pytest.fixture(scope="session")
def docs_url(built: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=built)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def asked(context: BrowserContext) -> list[str]:
    """What is asked for, wherever it is."""
    found: list[str] = []
    context.on("request", lambda request: found.append(request.url))
    return found


def test_no_page_asks_another_host(page: Page, docs_url: str, asked: list[str]) -> None:
    for name in PAGES:
        page.goto(f"{docs_url}/{name}.html", wait_until="networkidle")
        expect(page.locator("article h1")).to_be_visible()
    assert [url for url in asked if not url.startswith((docs_url, "data:", "blob:"))] == []
    assert len(asked) > len(PAGES)


def test_nothing_of_it_is_wider_than_a_telephone(page: Page, docs_url: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for name in PAGES:
        page.goto(f"{docs_url}/{name}.html")
        expect(page.locator("article h1")).to_be_visible()
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, name


def test_it_is_found(page: Page, docs_url: str) -> None:
    page.goto(f"{docs_url}/index.html", wait_until="networkidle")
    page.keyboard.press("/")
    page.wait_for_timeout(500)  # the field takes the keyboard when it has come in
    page.keyboard.type("idempotency")
    expect(page.get_by_text(re.compile(r"\d+ results"))).to_be_visible()


@pytest.mark.parametrize(
    ("name", "colours", "width"), [("light", "light", 1280), ("dark", "dark", 1280), ("narrow", "light", 390)]
)
def test_pictures(
    context: BrowserContext,
    page: Page,
    docs_url: str,
    artifacts: Path,
    name: str,
    colours: Literal["light", "dark"],
    width: int,
) -> None:
    page.emulate_media(color_scheme=colours)
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{docs_url}/index.html", wait_until="networkidle")
    page.screenshot(path=artifacts / f"site-{name}.png")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    shades = [int(one) for one in re.findall(r"\d+", background)[:3]]
    assert (sum(shades) < 200) == (name == "dark")


def test_the_client_that_the_skill_shows(page: Page, backend: "Backend", complaints: list[str]) -> None:
    text = (docs.SKILL / "references/integration.md").read_text(encoding="utf-8")
    (code,) = CLIENT.findall(text)
    page.goto(f"{backend.url}/health")
    run = """async ([code, key]) => {
        const {client} = await import(URL.createObjectURL(new Blob([code], {type: "text/javascript"})));
        const call = client("", key);
        const ask = window.fetch;
        let sent = [];
        window.fetch = async (url, options) => {  // the first answer to each POST is lost on the way
            const answer = await ask(url, options);
            sent.push(options.headers["Idempotency-Key"]);
            if (options.method === "POST" && sent.length === 1) throw new TypeError("lost");
            return answer;
        };
        const made = await call("POST", "/api/todos", {body: {title: "Once"}});
        const listed = await call("GET", "/api/todos?title=Once");
        const problem = await call("POST", "/api/todos", {body: {title: ""}}).catch((error) => error.problem);
        const gone = await call("DELETE", `/api/todos/${made.id}`);
        return [made, listed, problem, gone, sent];
    }"""
    made, listed, problem, gone, sent = page.evaluate(run, [code, backend.key])
    assert [one["id"] for one in listed] == [made["id"]], "it was made once"
    assert sent[0] == sent[1]
    assert (problem["status"], problem["errors"][0]["loc"]) == (422, ["body", "title"])
    assert gone is None
    assert [one for one in complaints if not one.startswith("Failed to load resource")] == []
    complaints.clear()  # Chromium tells of each answer that is no success, and of an icon that is not there
