"""The first `.env` of a backend: its database and a key of its own."""

import os
from pathlib import Path

_TEXT = """\
# This machine's settings and secrets, never for Git. .env.example lists all there are.
ENVIRONMENT=development
DATABASE_URL={database_url}
API_KEY={api_key}
"""


def write(path: Path, *, database_url: str, api_key: str) -> None:
    """Write a `.env` that only its owner may read. Raises FileExistsError rather than replace one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123 (a descriptor)
        file.write(_TEXT.format(database_url=database_url, api_key=api_key))
