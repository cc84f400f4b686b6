"""The page of docs/how-to/feed.md in tabs of a real browser, while its server is killed and comes back."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import BrowserContext, Page, Response, expect
from tests.backend import Backend
from tests.browser.servers import Servers
from tests.serving import TEMPLATE

if TYPE_CHECKING:
    from tests.browser.conftest import Site

pytestmark = pytest.mark.timeout(300)

FRIEND = "http://localhost:3000"
FEED = Path(__file__).parents[2] / "docs/how-to/feed.md"
PAGE = re.compile(r"^```html\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WATCH = """
window.shown = []
new MutationObserver((changes) => {
    for (const {target, addedNodes, removedNodes} of changes) {
        if (target.nodeName === "LI" && addedNodes.length) shown.push(addedNodes[0].textContent)
        if (target.nodeName === "UL") removedNodes.forEach((row) => shown.push(`no ${row.textContent}`))
    }
}).observe(document, {childList: true, subtree: true})
"""
"""Notes what a page shows, each time that it does: a change that comes twice stands there twice."""
BRIEFLY = 2000
"""Milliseconds for which a ticket is good where that is to be short."""


class Tab:
    """The page in a tab: what it has shown, and how often it asked for a ticket and for the list."""

    def __init__(self, page: Page, todos: str) -> None:
        self.page, self._todos = page, todos
        self.tickets = self.lists = 0
        page.on("response", self._count)
        self.load()

    def load(self) -> None:
        """Open the page, until it follows the feed."""
        with self.page.expect_response(lambda answer: self._is_list(answer)):
            self.page.goto(f"{FRIEND}/feed")
        self.tickets = self.lists = 1

    def expect(self, *titles: str) -> None:
        expect(self.page.locator("#todos li")).to_have_text(list(titles))

    @property
    def shown(self) -> list[str]:
        found: list[str] = self.page.evaluate("window.shown")
        return found

    def _count(self, answer: Response) -> None:
        self.tickets += answer.url == f"{self._todos}/events/ticket" and answer.request.method == "POST"
        self.lists += self._is_list(answer)

    def _is_list(self, answer: Response) -> bool:
        return bool(answer.url.startswith(f"{self._todos}?") and answer.request.method == "GET")


def publish(site: "Site", context: BrowserContext, servers: Servers) -> None:
    """Serve the page that the docs show, to somebody who has signed in."""
    found = PAGE.findall(FEED.read_text(encoding="utf-8"))
    address = "http://127.0.0.1:8000"
    assert (len(found), found[0].count(address)) == (1, 1)
    site.pages["/feed"] = found[0].replace(address, servers.first.url)
    signed_in = f"sessionStorage.setItem('key', {json.dumps(servers.key)})"
    context.add_init_script(f"if (location.origin === '{FRIEND}') {{ {signed_in} }}{WATCH}")


def tab(context: BrowserContext, servers: Servers) -> Tab:
    return Tab(context.new_page(), f"{servers.first.url}/api/todos")


@pytest.fixture
def servers(database_url: str, tmp_path: Path) -> Iterator[Servers]:
    with Servers(tmp_path, database_url) as servers:
        yield servers


@pytest.fixture
def brief_servers(database_url: str, tmp_path: Path) -> Iterator[Servers]:
    """The same, with tickets that are good for seconds: a line of the project's own dependencies.py."""
    app = tmp_path / "app"
    shutil.copytree(TEMPLATE, app)
    module, made = app / "dependencies.py", "Events(database"
    code = module.read_text()
    assert code.count(made) == 1
    lifetime = f"ticket_lifetime=timedelta(milliseconds={BRIEFLY})"
    module.write_text(code.replace(made, f"{made}, {lifetime}"))
    with Servers(tmp_path, database_url, app) as servers:
        yield servers


def away(complaints: list[str]) -> list[str]:
    """Return what was complained of beside a server that is not there; none of it is left."""
    found = [one for one in complaints if not re.search(r"net::ERR_(CONNECTION_|INCOMPLETE|EMPTY)", one)]
    complaints.clear()
    return found


def test_two_tabs_show_each_change_once_while_the_server_comes_and_goes(
    context: BrowserContext, complaints: list[str], servers: Servers, site: "Site", artifacts: Path
) -> None:
    publish(site, context, servers)
    first, second = tab(context, servers), tab(context, servers)
    milk = servers.add("Buy milk")
    for one in (first, second):
        one.expect("Buy milk")
    second.load()  # it follows anew, and has seen no event

    def write(at: Backend) -> None:
        servers.curl("PATCH", milk, {"title": "Buy oat milk"}, at)
        servers.add("Bake bread", at)

    servers.without(write, killed=True)
    for one in (first, second):
        one.expect("Buy oat milk", "Bake bread")
    cake = servers.add("Eat cake")

    servers.without(lambda at: servers.curl("DELETE", cake, at=at), killed=False)
    servers.curl("PATCH", milk, {"title": "Buy soya milk"})
    for one in (first, second):
        one.expect("Buy soya milk", "Bake bread")
        assert one.shown == [
            *("Buy milk", "Buy oat milk", "Bake bread", "Eat cake", "no Eat cake", "Buy soya milk"),
        ]
        # It was the EventSource that came back, by itself.
        assert (one.tickets, one.lists) == (1, 1)
    first.page.screenshot(path=artifacts / "feed.png")
    second.page.screenshot(path=artifacts / "feed-second-tab.png")
    assert away(complaints) == []


def test_the_page_goes_on_when_its_ticket_has_expired(
    context: BrowserContext, complaints: list[str], brief_servers: Servers, site: "Site"
) -> None:
    servers = brief_servers
    publish(site, context, servers)
    page = tab(context, servers)
    page.page.wait_for_timeout(BRIEFLY)
    # It has seen no event from which it could go on.
    servers.without(lambda at: servers.add("Buy milk", at), killed=True)
    page.expect("Buy milk")
    assert (page.tickets, page.lists) == (2, 2)

    servers.add("Bake bread")
    page.expect("Buy milk", "Bake bread")
    page.page.wait_for_timeout(BRIEFLY)
    servers.without(lambda at: servers.add("Eat cake", at), killed=True)
    page.expect("Buy milk", "Bake bread", "Eat cake")
    assert page.shown == ["Buy milk", "Bake bread", "Eat cake"]
    assert (page.tickets, page.lists) == (3, 2)

    page.page.wait_for_timeout(BRIEFLY)
    servers.without(lambda at: servers.curl("DELETE", f"/api/keys/{servers.key_id}", at=at), killed=True)
    page.page.wait_for_url(f"{FRIEND}/sign-in")
    assert all("401" in one for one in away(complaints))
