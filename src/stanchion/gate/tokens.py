"""JSON Web Tokens (RFC 7519) that are signed with a shared secret: read, and signed again."""

import base64
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_FORM = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")
_DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


@dataclass(frozen=True)
class Token:
    """A token, taken apart."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def lifetime(self) -> float | None:
        """Return for how many seconds it is valid; None where it does not say."""
        begin, end = self.claims.get("iat", self.claims.get("nbf")), self.expiry
        return None if end is None or not isinstance(begin, int | float) else end - begin

    @property
    def expiry(self) -> float | None:
        """Return when it ends; None where it does not say."""
        found = self.claims.get("exp")
        return found if isinstance(found, int | float) and not isinstance(found, bool) else None

    def secret(self, candidates: Iterable[str]) -> str | None:
        """Return the one of these that it is signed with; None where it is none of them."""
        if str(self.header.get("alg")) not in _DIGESTS:
            return None
        signed, _, signature = self.text.rpartition(".")
        for one in candidates:
            if hmac.compare_digest(self._signature(signed, one), signature):
                return one
        return None

    def signed(self, secret: str, **claims: Any) -> str:
        """Return it with other claims, signed again in the same way."""
        text = f"{_encoded(self.header)}.{_encoded({**self.claims, **claims})}"
        return f"{text}.{self._signature(text, secret)}"

    def unsigned(self) -> str:
        """Return it with the same claims and no signature, which it says of itself (RFC 7519, section 6)."""
        return f"{_encoded({**self.header, 'alg': 'none'})}.{_encoded(self.claims)}."

    def _signature(self, text: str, secret: str) -> str:
        digest = _DIGESTS[str(self.header["alg"])]
        return _base64(hmac.digest(secret.encode("utf-8", "surrogateescape"), text.encode(), digest))


def token_in(text: str) -> Token | None:
    """Return the first token in a text: a header's value, a cookie's."""
    for found in _FORM.finditer(text):
        try:
            header, claims = (_decoded(part) for part in found[0].split(".")[:2])
        except ValueError:
            continue
        if isinstance(header, dict) and isinstance(claims, dict):
            return Token(found[0], header, claims)
    return None


def _decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _encoded(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
