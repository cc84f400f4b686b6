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

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def is_explained(exc: BaseException) -> bool:
    """Tell an error that speaks to the person from a bug. A class that is not loaded was not raised."""
    modules = ((sys.modules.get(module), name) for module, name in _SENTENCES.items())
    return isinstance(exc, (Failure, *(getattr(module, name) for module, name in modules if module)))


@contextmanager
def explained() -> Iterator[None]:
    """End the process with a sentence on standard error where the block fails, and the failure's status."""
    try:
        yield
    except Exception as exc:
        if not is_explained(exc):
            raise
        sys.stderr.write(f"{exc}\n")
        sys.exit(exc.status if isinstance(exc, Failure) else 1)
