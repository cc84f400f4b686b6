"""What a client keeps for the server, and cannot change: signed, not secret."""

import base64
import binascii
import hashlib
import hmac

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

_SIGNATURE = 16
"""Bytes: half of SHA-256, as RFC 2104, section 5, allows."""
_NAME = "stanchion_signer"


class Signer:
    """Seals bytes with a secret, so that they come back as they went, or not at all (HMAC, RFC 2104)."""

    def __init__(self, secret: str) -> None:
        # Keyed once: a copy costs a third of a new one.
        self._keyed = hmac.new(secret.encode(), digestmod=hashlib.sha256)

    def seal(self, purpose: str, content: bytes) -> str:
        """Return the content as text for a URL. `purpose` keeps what is sealed for one use from another."""
        return base64.urlsafe_b64encode(self._signature(purpose, content) + content).rstrip(b"=").decode()

    def open(self, purpose: str, text: str) -> bytes:
        """Return what was sealed. Raises ValueError for what this secret did not seal for this purpose."""
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("this is not what was sealed") from None
        signature, content = sealed[:_SIGNATURE], sealed[_SIGNATURE:]
        # Of the last character some bits say nothing: one text, and no other, opens.
        if not hmac.compare_digest(signature, self._signature(purpose, content)) or (
            self.seal(purpose, content) != text
        ):
            raise ValueError("this is not what was sealed")
        return content

    def _signature(self, purpose: str, content: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(purpose.encode() + b"\0" + content)
        return keyed.digest()[:_SIGNATURE]


def sign_with(app: ASGIApp, secret: str) -> None:
    """Let the parts of `app` sign with this secret: `stanchion.install` does, with that of the settings."""
    setattr(app.state, _NAME, Signer(secret))  # type: ignore[attr-defined] # FastAPI and Starlette have it


def signer_of(connection: HTTPConnection) -> Signer:
    """Return the signer of the app that answers. Raises RuntimeError where it has none."""
    signer = getattr(connection.app.state, _NAME, None)
    if not isinstance(signer, Signer):
        raise RuntimeError(
            "Nothing says with which secret to sign: call `stanchion.install(app, settings)`, "
            "or `stanchion.signing.sign_with(app, secret)`."
        )
    return signer
