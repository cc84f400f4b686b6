"""The documented headers of responses."""

import pytest
from starlette.requests import Request

from stanchion.headers import headers, location


def test_each_says_what_it_is() -> None:
    documented = headers("ETag", "Link", Location="/api/users/me")["headers"]
    assert list(documented) == ["ETag", "Link", "Location"]
    for entry in documented.values():
        assert entry["description"]
        assert entry["schema"] == {"type": "string"}


def test_an_example_is_true_of_each_operation_or_of_this_one() -> None:
    documented = headers("ETag", "Link", Location="/api/users/me")["headers"]
    assert documented["ETag"]["example"] == '"3"'
    assert "example" not in documented["Link"]
    assert documented["Location"]["example"] == "/api/users/me"


def test_one_that_nobody_knows() -> None:
    with pytest.raises(KeyError):
        headers("X-Other")


@pytest.mark.parametrize(
    ("root", "expected"),
    [("", "/todos/7"), ("/v1", "/v1/todos/7"), ("/v1/", "/v1/todos/7"), ("/ü", "/%C3%BC/todos/7")],
)
def test_a_location_is_as_the_client_reaches_it(root: str, expected: str) -> None:
    request = Request({"type": "http", "root_path": root, "headers": []})
    assert location(request, "/todos/7") == expected
