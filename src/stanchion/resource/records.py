"""The records of a file, lines or rows of CSV: each as a new row's fields, or what is wrong with it."""

import csv
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, Protocol

from pydantic import BaseModel, Field, ValidationError, create_model

from stanchion.resource.cells import unguarded
from stanchion.resource.formats import Name
from stanchion.resource.kinds import NULL, READINGS, kinds, of_cells
from stanchion.resource.lines import LONGEST
from stanchion.resource.names import aliases, columns, fields
from stanchion.resource.writing import new

Values = dict[str, Any]
Wrong = list[dict[str, Any]]
Record = tuple[int, Values | Wrong]
"""A record by the number of the line that it begins on: its fields, or what is wrong, place by place."""

_LONGEST_NAME = 100
_MOST = 10
"""Places of one line that are told."""

# A limit of the whole process, 128 KiB if nobody sets it; a cell may be as long as a line.
csv.field_size_limit(max(csv.field_size_limit(), LONGEST + 1))


class Records(Protocol):
    """What reads the records of a format from lines."""

    def read(self, number: int, line: bytes | None) -> Iterator[Record]:
        """Give the record that ends on this line, where one does. None stands for a line that is too long."""

    def end(self) -> Iterator[Record]:
        """Give what is left at the end."""


def wrong(number: int, message: str, kind: str, *place: str) -> Record:
    """Return what is wrong with a line as a whole, or with one field of it."""
    names = [one[:_LONGEST_NAME] for one in place]
    return number, [{"loc": ["body", number, *names], "msg": message, "type": kind}]


def too_long(number: int) -> Record:
    """Return what is wrong with a line that is too long."""
    return wrong(number, f"The line is longer than {LONGEST:,} bytes.", "line_too_long")


class Reader(Protocol):
    """A format as the rows of one resource are read from it: made once, when it is declared."""

    def records(self) -> Records:
        """Return what reads one file."""


class JSONReader:
    """JSON lines: an object to a line; one that is empty is passed over."""

    def __init__(self, create: type[BaseModel], response: type[BaseModel]) -> None:
        passed = [name for name in columns(response) if name not in fields(create)]
        # Under names of their own: what is passed over must not hide what the schema has.
        extra: dict[str, Any] = {
            f"passed_over_{index}": (Any, Field(None, validation_alias=name))
            for index, name in enumerate(passed)
        }
        self._passed = set(extra)
        self._schema = create_model(f"{create.__name__}Line", __base__=create, **extra)

    def records(self) -> "JSONRecords":
        return JSONRecords(self._schema, self._passed)


class JSONRecords:
    """Reads one file of JSON lines."""

    def __init__(self, schema: type[BaseModel], passed: set[str]) -> None:
        self._schema, self._passed = schema, passed

    def read(self, number: int, line: bytes | None) -> Iterator[Record]:
        if line is None:
            yield too_long(number)
        elif line.strip():
            yield _valid(number, lambda: self._schema.model_validate_json(line), self._passed)

    def end(self) -> Iterator[Record]:
        yield from ()


class CSVReader:
    """CSV (RFC 4180): the first line names the fields. An empty cell is null, where a field may be that, and
    else a field not sent.
    """

    def __init__(self, create: type[BaseModel], response: type[BaseModel]) -> None:
        found, self.fields = kinds(create), fields(create)
        self.schema = of_cells(create, found)
        self.known = {*self.fields, *columns(response)}
        self.empty = {
            alias: NULL for alias, name in aliases(create).items() if "null" in found.get(name, frozenset())
        }
        """What an empty cell stands for, by its column, where it stands for anything."""

    def records(self) -> "CSVRecords":
        return CSVRecords(self)


class CSVRecords:
    """Reads one file of CSV."""

    def __init__(self, reader: CSVReader) -> None:
        self._reader = reader
        self._header: list[str] | None = None
        self._stopped = False
        self._start, self._pending, self._size = 0, list[bytes](), 0
        self._is_open = False

    def read(self, number: int, line: bytes | None) -> Iterator[Record]:
        if self._stopped:  # of rows under an unknown header nothing can be said
            return
        self._start = self._start if self._pending else number
        if line is not None:
            self._pending.append(line)
            self._size += len(line) + 1
            # A quote within quotes is doubled: a record is whole where their number is even.
            self._is_open ^= line.count(b'"') % 2 == 1
        if line is None or self._size > LONGEST + 1:
            self._taken()
            yield too_long(self._start)
        elif not self._is_open:
            yield from self._record(self._taken())

    def end(self) -> Iterator[Record]:
        if self._pending:
            yield wrong(self._start, "A quote is opened here and not closed.", "csv_invalid")

    def _taken(self) -> bytes:
        record = b"\n".join(self._pending)
        self._pending, self._size, self._is_open = [], 0, False
        return record

    def _record(self, record: bytes) -> Iterator[Record]:
        try:
            text = record.decode()
        except UnicodeDecodeError:
            yield wrong(self._start, "The line is no UTF-8.", "encoding")
            return
        if not text.strip("\r"):
            return
        try:
            row = next(csv.reader([text], strict=True))
        except csv.Error:
            yield wrong(self._start, "The line is no CSV: look at its quotes.", "csv_invalid")
            return
        if self._header is None:
            yield from self._named(row)
        elif len(row) != len(self._header):
            message = f"The line has {len(row)} cells, the header {len(self._header)}."
            yield wrong(self._start, message, "csv_cells")
        else:
            empty = self._reader.empty
            sent = {
                name: unguarded(value) if value else empty[name]
                for name, value in zip(self._header, row, strict=True)
                if (value or name in empty) and name in self._reader.fields
            }
            yield _valid(self._start, lambda: self._reader.schema.model_validate_strings(sent))

    def _named(self, header: list[str]) -> Iterator[Record]:
        self._header = header
        for index, name in enumerate(header):
            if name not in self._reader.known:
                yield wrong(self._start, "There is no such field.", "extra_forbidden", name)
            elif name in header[:index]:
                yield wrong(self._start, "The field is named twice.", "csv_header", name)
            else:
                continue
            self._stopped = True


def readers(create: type[BaseModel], response: type[BaseModel]) -> dict[Name, Reader]:
    """Return what reads each format."""
    return {"ndjson": JSONReader(create, response), "csv": CSVReader(create, response)}


def _valid(number: int, read: Callable[[], BaseModel], passed: Collection[str] = ()) -> Record:
    try:
        values = new(read())
        return number, {name: value for name, value in values.items() if name not in passed}
    except ValidationError as exc:
        found = exc.errors(include_url=False, include_input=False, include_context=False)
    return number, [
        {
            "loc": ["body", number, *_place(one["loc"])],
            "msg": one["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, "),
            "type": one["type"],
        }
        for one in found[:_MOST]
    ]


def _place(loc: Iterable[int | str]) -> Iterator[int | str]:
    for part in loc:
        if part not in READINGS:
            yield part[:_LONGEST_NAME] if isinstance(part, str) else part
