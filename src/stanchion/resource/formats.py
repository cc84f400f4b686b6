"""The formats that rows leave in: JSON lines, and CSV (RFC 4180)."""

import csv
import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from stanchion.resource.cells import EMPTY, cell
from stanchion.resource.kinds import is_json

Name = Literal["ndjson", "csv"]
"""The form of a file: JSON objects, one a line, or CSV."""

NDJSON = "application/x-ndjson"
CSV = "text/csv"
MEDIA_TYPES: dict[Name, str] = {"ndjson": NDJSON, "csv": CSV}
"""What a file of each form is called in a Content-Type."""


class Format(Protocol):
    """How rows become bytes, some at a time."""

    media_type: str

    def begin(self) -> bytes:
        """Return what stands before the first row."""

    def encode(self, rows: Sequence[BaseModel]) -> bytes:
        """Return rows, each with its end."""


class JSONLines:
    """A JSON object to a line, each with a newline at its end."""

    media_type = NDJSON

    def begin(self) -> bytes:
        return b""

    def encode(self, rows: Sequence[BaseModel]) -> bytes:
        return b"".join(row.model_dump_json(by_alias=True).encode() + b"\n" for row in rows)


class Table:
    """CSV with a header line.

    `told` are the columns in which an empty text is told from none: where the cell that is empty would
    come back as something else. `mixed` are those that hold texts beside other values: a text that could be
    read as one of them is JSON, with its quotes.
    """

    media_type = CSV

    def __init__(
        self, columns: Sequence[str], told: Collection[str] = (), mixed: Collection[str] = ()
    ) -> None:
        self._columns, self._mixed = columns, mixed
        self._empty = {name: EMPTY if name in told else "" for name in columns}

    def begin(self) -> bytes:
        return self._written([self._columns])

    def encode(self, rows: Sequence[BaseModel]) -> bytes:
        return self._written(self._cells(row.model_dump(mode="json", by_alias=True)) for row in rows)

    def _cells(self, row: dict[str, Any]) -> list[str]:
        return [self._cell(name, row.get(name)) for name in self._columns]

    def _cell(self, name: str, value: Any) -> str:
        if value == "":
            return self._empty[name]
        if name in self._mixed and isinstance(value, str) and is_json(value):
            return json.dumps(value, ensure_ascii=False)
        return cell(value)

    @staticmethod
    def _written(rows: Iterable[Sequence[str]]) -> bytes:
        written = _Written()
        csv.writer(written, lineterminator="\r\n").writerows(rows)
        return b"".join(written.rows)


class _Written:
    """Takes what a writer of the csv module writes, a row at a time: a StringIO holds four bytes a letter."""

    def __init__(self) -> None:
        self.rows: list[bytes] = []

    def write(self, row: str) -> None:
        self.rows.append(row.encode())
