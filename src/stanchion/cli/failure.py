"""Failures: what ends a command with one sentence."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SENTENCES = {
    "stanchion.database.schema": "SchemaError",
    "stanchion.database.url": "DatabaseURLError",
    "stanchion.errors": "DomainError",
    "stanchion.settings": "SettingsError",
}
"""The library's errors that speak to a person. By their names: importing them takes a second."""


class Failure(Exception):  # noqa: N818 - it is what the person sees
    """The command cannot do it; the message is one sentence that says what to do next."""


def is_explained(exc: BaseException) -> bool:
    """Tell an error that speaks to the person from a bug. A class that is not loaded was not raised."""
    modules = ((sys.modules.get(module), name) for module, name in _SENTENCES.items())
    return isinstance(exc, (Failure, *(getattr(module, name) for module, name in modules if module)))


@contextmanager
def explained() -> Iterator[None]:
    """End the process with status 1 and a sentence on standard error where the block fails."""
    try:
        yield
    except Exception as exc:
        if not is_explained(exc):
            raise
        sys.exit(str(exc))  # to standard error, with status 1
