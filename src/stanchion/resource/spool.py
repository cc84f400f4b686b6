"""What is kept until it is wanted: in memory while it is little, on disk beyond that."""

import errno
import pickle
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import SEEK_END
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Generic, TypeVar

from stanchion.errors import UnavailableError

Batch = TypeVar("Batch")

_IN_MEMORY = 1024 * 1024
"""Bytes that are kept in memory."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class NoRoomError(UnavailableError):
    """503: the disk that holds what has arrived is full."""

    default_message = "There is no room for the file now: try again later."
    default_code = "no_room"


class Spool(Generic[Batch]):
    """Batches in their order, which can be read as often as is wanted once they are all there.

    Two readings at once are not possible. The file has no name and is gone with this. Its methods write
    and read: they belong into a thread.
    """

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed with this
        self.count = 0
        """Batches so far."""

    def __enter__(self) -> "Spool[Batch]":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        with suppress(OSError):  # what could not be written need not be
            self._file.close()

    @property
    def size(self) -> int:
        """Return the bytes that are kept."""
        return self._file.seek(0, SEEK_END)

    def add(self, batch: Batch) -> None:
        """Keep a batch. Raises NoRoomError (503) where the disk is full."""
        with _room():
            pickle.dump(batch, self._file, pickle.HIGHEST_PROTOCOL)
        self.count += 1

    def batches(self) -> Iterator[Batch]:
        """Give the batches, from the first; one such reading at a time. Raises NoRoomError (503)."""
        with _room():
            self._file.seek(0)
        for _ in range(self.count):
            yield pickle.load(self._file)  # noqa: S301 - our own file, which has no name


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno not in _FULL:
            raise
        raise NoRoomError from exc
