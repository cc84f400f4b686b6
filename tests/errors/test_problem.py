"""The problem document, and the request's id."""

import json
import random
import subprocess
import sys
from typing import Any

import pytest
from fastapi import FastAPI

from stanchion.errors import ErrorResponse, handle_errors, problem, request_id
from stanchion.errors.problem import code, phrase
from stanchion.testing import client


def scope(path: str = "/a", **more: Any) -> dict[str, Any]:
    return {"type": "http", "path": path, "headers": [], **more}


def test_it_has_the_members_of_the_contract() -> None:
    where = scope("/api/todos/7")
    response = problem(
        where, status=404, detail="Todo not found", error="todo_not_found", headers={"X-A": "1"}
    )
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-A"] == "1"
    content = json.loads(bytes(response.body))
    assert content == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Todo not found",
        "instance": "/api/todos/7",
        "error": "todo_not_found",
        "request_id": response.headers["X-Request-ID"],
    }
    assert ErrorResponse(**content).model_dump() == content


def test_text_that_utf8_cannot_carry_is_replaced() -> None:
    response = problem(scope("/\ud800/ü"), status=400, detail="a\x00b\ud800c")
    content = json.loads(bytes(response.body))
    assert content["detail"] == "a\x00b?c"
    assert content["instance"] == "/%3F/%C3%BC"


@pytest.mark.anyio
async def test_instance_is_what_the_client_asked_for_behind_a_proxy() -> None:
    app = FastAPI()
    app.root_path = "/v1"
    handle_errors(app)
    async with client(app) as caller:
        assert (await caller.get("/v1/nope")).json()["instance"] == "/v1/nope"
        assert (await caller.get("/nope")).json()["instance"] == "/v1/nope"


@pytest.mark.parametrize(
    ("status", "words", "name"),
    [
        (404, "Not Found", "not_found"),
        (413, "Content Too Large", "content_too_large"),
        (418, "I'm a Teapot", "i_m_a_teapot"),
        (422, "Unprocessable Content", "unprocessable_content"),
        (499, "Error", "error"),
    ],
)
def test_a_status_in_words(status: int, words: str, name: str) -> None:
    assert (phrase(status), code(status)) == (words, name)


@pytest.mark.parametrize("sent", ["abc-1", "0b3a:6d.0_c", "a" * 128])
def test_a_sound_request_id_is_kept(sent: str) -> None:
    assert request_id(scope(headers=[(b"x-request-id", sent.encode())])) == sent


@pytest.mark.parametrize(
    "sent", [[], [b""], [b"a b"], [b"-a"], [b"a\nb"], [b"a" * 129], [b"a", b"b"], [b"\xfc"]]
)
def test_any_other_is_replaced_and_stays_the_same(sent: list[bytes]) -> None:
    where = scope(headers=[(b"x-request-id", value) for value in sent])
    made = request_id(where)
    assert len(made) == 32
    assert request_id(where) == made


def test_an_id_has_nothing_to_do_with_what_the_app_draws() -> None:
    """An app that seeds `random` would have the same ids in each process, and tell its state by them."""
    random.seed(1)
    drawn = random.random()
    made = set()
    for _ in range(2):
        random.seed(1)
        made.add(request_id(scope()))
        assert random.random() == drawn
    assert len(made) == 2


def test_a_process_that_is_forked_has_ids_of_its_own() -> None:
    program = (
        "import os; from stanchion.errors import request_id; child = os.fork(); "
        "os.write(1, request_id({'headers': []}).encode() + b'\\n'); child and os.wait()"
    )
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert len(set(made.stdout.split())) == 2
