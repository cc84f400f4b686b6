"""/docs as a newcomer meets it: no network, the first key, and operations tried from the page."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

if TYPE_CHECKING:
    from tests.browser.conftest import Backend

LIST = "todos-list_todos_api_todos_get"
CREATE = "todos-create_todo_api_todos_post"
CHANGE = "todos-update_todo_api_todos__todo_id__patch"
SIGN_UP = "users-create_user_api_users_post"
ME = "users-read_me_api_users_me_get"
NEW_KEY = "keys-create_key_api_keys_post"


def open_docs(page: Page, backend: "Backend") -> None:
    page.goto(f"{backend.url}/docs")
    expect(page.locator(".opblock").first).to_be_visible()


def authorize(page: Page, key: str) -> None:
    page.locator(".scheme-container .btn.authorize").click()
    dialog = page.locator(".dialog-ux")
    form = dialog.locator("form").filter(has=page.get_by_text("X-API-Key"))
    if form.get_by_role("button", name="Remove authorization").is_visible():
        form.get_by_role("button", name="Remove authorization").click()
    form.locator("input").fill(key)
    form.get_by_role("button", name="Apply credentials").click()
    dialog.locator(".close-modal").click()


def execute(page: Page, name: str, **path: object) -> Locator:
    """Try an operation as the page fills it in, less what stands in its path; return its answer."""
    operation = page.locator(f"#operations-{name}")
    if not operation.locator(".opblock-body").is_visible():
        operation.locator(".opblock-summary-control").click()
    if operation.get_by_role("button", name="Try it out").is_visible():
        operation.get_by_role("button", name="Try it out").click()
    for parameter, value in path.items():
        operation.locator(f'tr[data-param-name="{parameter}"] input').fill(str(value))
    operation.get_by_role("button", name="Execute").click()
    return operation.locator(".live-responses-table tbody tr.response")


def expect_status(answer: Locator, status: int) -> None:
    expect(answer.locator(".response-col_status")).to_have_text(re.compile(rf"^{status}\b"))


def body(answer: Locator) -> str:
    return str(answer.locator(".highlight-code .microlight").first.inner_text())


def test_it_is_shown_without_a_network(page: Page, backend: "Backend", artifacts: Path) -> None:
    asked: list[str] = []

    def record(route: Route) -> None:
        asked.append(route.request.url)
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            route.abort()

    page.context.route("**/*", record)
    page.on("websocket", lambda socket: asked.append(socket.url))
    open_docs(page, backend)
    document = page.request.get(f"{backend.url}/openapi.json").json()
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    expect(page.locator(".opblock")).to_have_count(len(operations))
    expect(page.locator(".info .title")).to_contain_text("Todo API")
    tags = page.locator(".opblock-tag").evaluate_all("all => all.map(one => one.dataset.tag)")
    assert tags == [tag["name"] for tag in document["tags"]]
    assert tags[0] == "todos"
    page.screenshot(path=artifacts / "docs-page.png")
    page.screenshot(path=artifacts / "docs-page-whole.png", full_page=True)
    page.wait_for_load_state("networkidle")
    assert {urlsplit(url).hostname for url in asked if not url.startswith("data:")} == {"127.0.0.1"}
    assert f"{backend.url}/openapi.json" in asked


def test_an_operation_is_tried_with_the_first_key_and_again_after_a_reload(
    page: Page, backend: "Backend", artifacts: Path
) -> None:
    open_docs(page, backend)
    authorize(page, backend.key)
    created = execute(page, CREATE)
    expect_status(created, 201)
    todo = json.loads(body(created))
    assert todo["title"] == "Buy milk"
    page.locator(f"#operations-{CREATE}").screenshot(path=artifacts / "docs-create.png")
    listed = execute(page, LIST)
    expect_status(listed, 200)
    assert todo in json.loads(body(listed))
    expect_status(execute(page, CHANGE, todo_id=todo["id"]), 200)
    page.reload()
    again = execute(page, LIST)
    expect_status(again, 200)
    assert "Buy milk" in body(again)


def test_a_newcomer_signs_up_from_the_page(page: Page, backend: "Backend") -> None:
    open_docs(page, backend)
    expect_status(execute(page, SIGN_UP), 201)
    made = execute(page, NEW_KEY)
    expect_status(made, 201)
    key = json.loads(body(made))
    authorize(page, key["key"])
    me = execute(page, ME)
    expect_status(me, 200)
    assert json.loads(body(me))["email"] == "ada@example.com"


def test_without_a_key_the_page_says_where_it_is(
    page: Page, backend: "Backend", complaints: list[str], artifacts: Path
) -> None:
    open_docs(page, backend)
    answer = execute(page, LIST)
    expect_status(answer, 401)
    assert "The first key is API_KEY in .env." in body(answer)
    page.locator(f"#operations-{LIST}").screenshot(path=artifacts / "docs-refused.png")
    assert len(complaints) == 1
    assert "401" in complaints.pop()


@pytest.mark.parametrize("name", [LIST, CREATE, CHANGE])
def test_no_header_that_may_be_left_out_is_filled_in(page: Page, backend: "Backend", name: str) -> None:
    # An X-User-ID of the page's own making would be a 422 on a new database, an If-Match a 412, and an
    # Idempotency-Key the reply of another request.
    open_docs(page, backend)
    operation = page.locator(f"#operations-{name}")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    header = operation.locator("tr[data-param-in=header] input")
    assert [one.input_value() for one in header.all()] == [""] * (1 if name == LIST else 2)
