"""The records of a file, lines or rows of CSV: each as a new row's fields, or what is wrong with it."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, create_model

from stanchion.resource.cells import unguarded
from stanchion.resource.lines import LONGEST
from stanchion.resource.names import columns, fields

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


class JSONRecords:
    """Reads JSON lines: an object to a line; one that is empty is passed over."""

    def __init__(self, create: type[BaseModel], response: type[BaseModel]) -> None:
        passed = [name for name in columns(response) if name not in fields(create)]
        # Under names of their own: what is passed over must not hide what the schema has.
        extra: dict[str, Any] = {
            f"passed_over_{index}": (Any, Field(None, validation_alias=name))
            for index, name in enumerate(passed)
        }
        self._passed = set(extra)
        self._schema = create_model(f"{create.__name__}Line", __base__=create, **extra)

    def read(self, number: int, line: bytes | None) -> Iterator[Record]:
        if line is None:
            yield too_long(number)
        elif line.strip():
            yield _valid(number, lambda: self._schema.model_validate_json(line), self._passed)

    def end(self) -> Iterator[Record]:
        yield from ()


class CSVRecords:
    """Reads CSV (RFC 4180): the first line names the fields, and an empty cell is a field not sent."""

    def __init__(self, create: type[BaseModel], response: type[BaseModel]) -> None:
        self._schema = _of_texts(create)
        self._fields = fields(create)
        self._known = {*self._fields, *columns(response)}
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
            sent = {
                name: unguarded(value)
                for name, value in zip(self._header, row, strict=True)
                if value and name in self._fields
            }
            yield _valid(self._start, lambda: self._schema.model_validate_strings(sent))

    def _named(self, header: list[str]) -> Iterator[Record]:
        self._header = header
        for index, name in enumerate(header):
            if name not in self._known:
                yield wrong(self._start, "There is no such field.", "extra_forbidden", name)
            elif name in header[:index]:
                yield wrong(self._start, "The field is named twice.", "csv_header", name)
            else:
                continue
            self._stopped = True


def _valid(number: int, read: Callable[[], BaseModel], passed: set[str] | None = None) -> Record:
    try:
        return number, read().model_dump(exclude_unset=True, exclude=passed)
    except ValidationError as exc:
        found = exc.errors(include_url=False, include_input=False, include_context=False)
    return number, [
        {
            "loc": ["body", number, *(p[:_LONGEST_NAME] if isinstance(p, str) else p for p in one["loc"])],
            "msg": one["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, "),
            "type": one["type"],
        }
        for one in found[:_MOST]
    ]


def _of_texts(schema: type[BaseModel]) -> type[BaseModel]:
    """Return the schema with each field that has parts, a list or an object, read from its JSON."""
    document = schema.model_json_schema(by_alias=False)
    parts, properties = document.get("$defs", {}), document.get("properties", {})
    changed: dict[str, Any] = {
        name: (Annotated[field.annotation, BeforeValidator(_from_json)], field)
        for name, field in schema.model_fields.items()
        if _has_parts(properties.get(name, {}), parts)
    }
    return create_model(f"{schema.__name__}Row", __base__=schema, **changed)


def _has_parts(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> bool:
    if "$ref" in schema:
        return _has_parts(parts.get(schema["$ref"].rpartition("/")[2], {}), {})
    choices = (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ()))
    return schema.get("type") in ("array", "object") or any(_has_parts(one, parts) for one in choices)


def _from_json(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except RecursionError:
        raise ValueError("It is too deep.") from None
