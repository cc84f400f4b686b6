"""A file that is taken in: validated as it arrives, and kept on disk until it can be written at once."""

from collections.abc import Iterator
from types import TracebackType

from stanchion.errors import InvalidError
from stanchion.resource.lines import Lines
from stanchion.resource.records import Records, Values, Wrong
from stanchion.resource.spool import Spool

BATCH = 1000
"""Rows that are written at a time, at most."""
_AT_ONCE = 512 * 1024
"""Bytes of the file whose rows are written at a time: of long lines a batch has few."""
MOST = 100
"""Bad lines that are told."""

Batch = list[tuple[int, Values]]
"""Rows, each with the number of the line that it came from."""
_Sent = tuple[list[tuple[str, ...]], list[tuple[int, int, tuple[object, ...]]]]
"""A batch on disk: the lists of names, and rows: line, which list, values. So no row carries its names."""


class Intake:
    """Takes bytes in, and gives batches of rows: what was sent, and no more.

    Its methods parse and read and write files: they belong into a thread.
    """

    def __init__(self, records: Records) -> None:
        self._lines, self._records = Lines(), records
        self._spool: Spool[_Sent] = Spool()
        self._batch: Batch = []
        self._size = 0
        self._bad, self._last_bad, self._wrong = 0, 0, Wrong()
        self.count = 0
        """Rows so far."""

    def __enter__(self) -> "Intake":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._spool.__exit__()

    def feed(self, chunk: bytes) -> None:
        """Take in the next bytes. Raises NoRoomError (503)."""
        if self._bad >= MOST:  # enough is known; the rest is only received
            return
        for number, line in self._lines.feed(chunk):
            self._take(number, line)

    def end(self) -> None:
        """Take in what is left. Raises InvalidError (422), which names the bad lines, and NoRoomError."""
        for number, line in self._lines.end():
            self._take(number, line)
        for number, found in self._records.end():
            self._note(number, found)
        if self._bad:
            more = " or more" if self._bad >= MOST else ""
            number_ = f"{self._bad}{more} lines are" if self._bad > 1 else "1 line is"
            raise InvalidError(f"Nothing was imported: {number_} bad.", errors=self._wrong)
        self._keep()

    def batches(self) -> Iterator[Batch]:
        """Give the rows, from the first."""
        for names, rows in self._spool.batches():
            yield [(number, dict(zip(names[which], values, strict=True))) for number, which, values in rows]

    def _take(self, number: int, line: bytes | None) -> None:
        self._size += len(line or b"")
        for begun, found in self._records.read(number, line):
            self._note(begun, found)

    def _note(self, number: int, found: Values | Wrong) -> None:
        if isinstance(found, list):
            if self._bad < MOST:
                self._bad += number != self._last_bad  # of one line there may be more to tell
                self._last_bad = number
                self._wrong += found
        elif not self._bad:
            self.count += 1
            self._batch.append((number, found))
            if len(self._batch) >= BATCH or self._size >= _AT_ONCE:
                self._keep()

    def _keep(self) -> None:
        if self._batch:
            which: dict[tuple[str, ...], int] = {}
            rows = [
                (number, which.setdefault(tuple(values), len(which)), tuple(values.values()))
                for number, values in self._batch
            ]
            self._spool.add((list(which), rows))
        self._batch, self._size = [], 0
