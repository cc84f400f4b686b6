"""Texts that every database can keep."""

import pytest
from pydantic import TypeAdapter, ValidationError

from stanchion.schemas import Text, email_key


@pytest.mark.parametrize("text", ["", "a\nb", "ü\U0001f600", " a "])
def test_a_text_that_can_be_kept(text: str) -> None:
    assert TypeAdapter(Text).validate_python(text) == text


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "a\n\x00", "\ud800"])
def test_a_text_that_cannot(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Text).validate_python(text)


@pytest.mark.parametrize("email", ["Ada@Example.com", "ada@example.com", "\uff21\uff24\uff21@example.com"])
def test_spellings_of_one_address(email: str) -> None:
    assert email_key(email) == "ada@example.com"
