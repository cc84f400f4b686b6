"""New API keys. Apart from `security`, so that the command makes one without loading a database."""

import secrets

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


def new_key() -> str:
    """Return a new key: `st_`, eight characters to know it by, `_`, and 256 random bits."""
    visible = "".join(secrets.choice(_LETTERS) for _ in range(8))
    return f"st_{visible}_{secrets.token_urlsafe(32)}"
