"""A file that is taken in: validated as it arrives, and kept on disk until it can be written at once."""

import pickle
from collections.abc import Callable, Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType

from stanchion.errors import InvalidError
from stanchion.resource.lines import Lines
from stanchion.resource.records import Records, Values, Wrong

BATCH = 1000
"""Rows that are written at a time."""
MOST = 100
"""Bad lines that are told."""
_IN_MEMORY = 1024 * 1024
"""Bytes that are kept in memory, beyond which they are on disk."""

Batch = list[tuple[int, Values]]
"""Rows, each with the number of the line that it came from."""


class Intake:
    """Takes bytes in, and gives batches of rows. `made` turns a record's fields into a new row's columns.

    Its methods parse and read and write files: they belong into a thread.
    """

    def __init__(self, records: Records, made: Callable[[Values], Values]) -> None:
        self._lines, self._records, self._made = Lines(), records, made
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed with this
        self._batch: Batch = []
        self._bad, self._wrong = 0, Wrong()
        self.count = 0
        """Rows so far."""

    def __enter__(self) -> "Intake":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        if self._bad >= MOST:  # enough is known; the rest is only received
            return
        for number, line in self._lines.feed(chunk):
            self._take(number, line)

    def end(self) -> None:
        """Take in what is left. Raises InvalidError (422), which names the bad lines."""
        for number, line in self._lines.end():
            self._take(number, line)
        for number, found in self._records.end():
            self._note(number, found)
        if self._bad:
            more = " or more" if self._bad >= MOST else ""
            number_ = f"{self._bad}{more} lines are" if self._bad > 1 else "1 line is"
            raise InvalidError(f"Nothing was imported: {number_} bad.", errors=self._wrong)
        self._spool()
        self._file.seek(0)

    def batches(self) -> Iterator[Batch]:
        """Give the rows, once."""
        left = self.count
        while left:
            batch: Batch = pickle.load(self._file)  # noqa: S301 - our own file, which has no name
            left -= len(batch)
            yield batch

    def _take(self, number: int, line: bytes | None) -> None:
        for begun, found in self._records.read(number, line):
            self._note(begun, found)

    def _note(self, number: int, found: Values | Wrong) -> None:
        if isinstance(found, list):
            if self._bad < MOST:
                self._bad += 1
                self._wrong += found
        elif not self._bad:
            self.count += 1
            self._batch.append((number, self._made(found)))
            if len(self._batch) >= BATCH:
                self._spool()

    def _spool(self) -> None:
        if self._batch:
            pickle.dump(self._batch, self._file, pickle.HIGHEST_PROTOCOL)
            self._batch = []
