"""Field types for schemas: what a text must be so that every database can keep it."""

import unicodedata
from typing import Annotated

from pydantic import StringConstraints

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""A string without NUL, which PostgreSQL cannot keep. Lone surrogates Pydantic refuses by itself."""


def email_key(email: str) -> str:
    """Return the normal form of an email address: what two spellings of one address share.

    Case is folded also left of the @: RFC 5321, 2.4, lets a host tell cases apart there, but
    advises against it, and no two people want accounts that differ in it.
    """
    return unicodedata.normalize("NFKC", email).casefold()
