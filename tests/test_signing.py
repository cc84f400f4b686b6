"""What is sealed comes back as it went, or not at all."""

import base64

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from stanchion.signing import Signer, sign_with, signer_of

SIGNER = Signer("the secret of this backend")


@given(st.binary(max_size=200))
def test_it_comes_back(content: bytes) -> None:
    sealed = SIGNER.seal("cursor", content)
    assert SIGNER.open("cursor", sealed) == content
    assert sealed.isascii()
    assert not set(sealed) & set("+/=?&#% ")


@given(st.binary(max_size=40), st.data())
def test_another_text_opens_nothing(content: bytes, data: st.DataObject) -> None:
    sealed = SIGNER.seal("cursor", content)
    place = data.draw(st.integers(0, len(sealed) - 1))
    letter = data.draw(
        st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.")
    )
    changed = sealed[:place] + letter + sealed[place + 1 :]
    if changed != sealed:
        with pytest.raises(ValueError, match="this is not what was sealed"):
            SIGNER.open("cursor", changed)


@pytest.mark.parametrize("text", ["", "a", "\0", "ü", "=", "A" * 22, "A" * 2000])
def test_what_was_never_sealed(text: str) -> None:
    with pytest.raises(ValueError, match="this is not what was sealed"):
        SIGNER.open("cursor", text)


def test_another_secret_and_another_purpose() -> None:
    sealed = SIGNER.seal("cursor", b"content")
    for signer, purpose in ((Signer("another secret"), "cursor"), (SIGNER, "ticket")):
        with pytest.raises(ValueError, match="this is not what was sealed"):
            signer.open(purpose, sealed)
    assert b"content" in base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))  # it is no secret


def test_an_app_signs_with_its_own() -> None:
    app = FastAPI()
    connection = HTTPConnection({"type": "http", "app": app})
    with pytest.raises(RuntimeError, match="Nothing says with which secret to sign"):
        signer_of(connection)
    sign_with(app, "the secret of this backend")
    assert signer_of(connection).open("cursor", SIGNER.seal("cursor", b"7")) == b"7"
