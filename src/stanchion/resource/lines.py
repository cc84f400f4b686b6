"""The lines of a file, as its bytes arrive: numbered, and none longer than it may be."""

import codecs
from collections.abc import Iterator

LONGEST = 1024 * 1024
"""Bytes of a line, and of a record of CSV over several lines."""


class Lines:
    """Cuts bytes into lines. A line is (its number, from 1; its bytes without the newline).

    The bytes are None where the line is too long: no more than `LONGEST` of it is kept.
    """

    def __init__(self) -> None:
        self._number = 0
        self._begun: bytearray | None = bytearray()

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes | None]]:
        """Give the lines that end in this chunk."""
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            yield self._line(piece)
        self._keep(rest)

    def end(self) -> Iterator[tuple[int, bytes | None]]:
        """Give the last line, where it has no newline."""
        if self._begun is None or self._begun:
            yield self._line(b"")

    def _line(self, piece: bytes) -> tuple[int, bytes | None]:
        self._keep(piece)
        line, self._begun = self._begun, bytearray()
        self._number += 1
        if line is not None and self._number == 1:
            line = line.removeprefix(codecs.BOM_UTF8)
        return self._number, None if line is None else bytes(line)

    def _keep(self, piece: bytes) -> None:
        if self._begun is None:
            return
        if len(self._begun) + len(piece) > LONGEST:
            self._begun = None
        else:
            self._begun += piece
