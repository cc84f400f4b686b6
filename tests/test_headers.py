"""The documented headers of responses."""

import pytest

from stanchion.headers import headers


def test_each_has_a_description_and_an_example() -> None:
    documented = headers("ETag", "Link")["headers"]
    assert list(documented) == ["ETag", "Link"]
    assert documented["ETag"]["example"] == '"3"'
    for entry in documented.values():
        assert entry["description"]
        assert entry["schema"] == {"type": "string"}


def test_one_that_nobody_knows() -> None:
    with pytest.raises(KeyError):
        headers("X-Other")
