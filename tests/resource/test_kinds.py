"""What a cell of CSV is read as: every kind of value comes back as it left."""

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, Json, create_model

from stanchion.resource.export import table
from stanchion.resource.lines import Lines
from stanchion.resource.records import CSVReader


class Level(IntEnum):
    low = 1
    high = 2


class Ink(StrEnum):
    black = "black"
    blue = "-blue"


class Part(BaseModel):
    size: int


class Node(BaseModel):
    value: int
    children: list["Node"] = []


TEXTS = st.text(st.sampled_from("=+-@'\t\r\n\",; 17.e[]{}nulltrue"), max_size=5) | st.sampled_from(
    ["", "7", "-1.5", "null", "true", "[1]", '"q"', "{}", "'", "NaN", "=1", " 7 "]
)
INTS = st.integers(-(2**40), 2**40)
VALUES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "text": (str, TEXTS),
    "text or null": (str | None, st.none() | TEXTS),
    "number or null": (int | None, st.none() | INTS),
    "text or number": (int | str, INTS | TEXTS),
    "text, number or null": (int | str | None, st.none() | INTS | TEXTS),
    "text or list": (list[int] | str, st.lists(INTS, max_size=2) | TEXTS),
    "text or yes": (bool | str, st.booleans() | TEXTS),
    "yes or number": (bool | int, st.booleans() | INTS),
    "choice of numbers": (Literal[1, 2], st.sampled_from([1, 2])),
    "choice of numbers or null": (Literal[1, 2] | None, st.sampled_from([None, 1, 2])),
    "choice of any": (Literal["a", "1", 1, True], st.sampled_from(["a", "1", 1])),
    "levels": (Level, st.sampled_from(Level)),
    "inks or null": (Ink | None, st.none() | st.sampled_from(Ink)),
    "any": (Any, st.none() | INTS | TEXTS | st.lists(TEXTS, max_size=2)),
    "decimal or null": (Decimal | None, st.none() | st.decimals(allow_nan=False, allow_infinity=False)),
    "date or null": (date | None, st.none() | st.dates()),
    "moment": (datetime, st.datetimes(timezones=st.just(UTC))),
    "time and span": (tuple[time, timedelta], st.tuples(st.times(), st.timedeltas())),
    "uuid or null": (uuid.UUID | None, st.none() | st.uuids()),
    "part or null": (Part | None, st.none() | st.builds(Part, size=INTS)),
    "parts": (dict[str, Part], st.dictionaries(TEXTS, st.builds(Part, size=INTS), max_size=2)),
    "set": (set[int], st.sets(INTS, max_size=3)),
    "limited or null": (Annotated[str | None, Field(max_length=5)], st.none() | TEXTS),
}


class Trip:
    """CSV by a schema, written and read."""

    def __init__(self, schema: type[BaseModel]) -> None:
        self._written, self._reader = table(schema, schema), CSVReader(schema, schema)

    def of(self, rows: Sequence[BaseModel]) -> list[Any]:
        return self.read(self._written.begin() + self._written.encode(rows))

    def read(self, content: bytes) -> list[Any]:
        lines, records = Lines(), self._reader.records()
        parts = (lines.feed(content), lines.end())
        return [values for part in parts for line in part for _, values in records.read(*line)]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("default", [..., "draft"])
@pytest.mark.parametrize("kind", list(VALUES))
def test_each_kind_comes_back(kind: str, default: Any, strict: bool) -> None:
    annotation, values = VALUES[kind]
    schema = create_model(
        "Row", __config__=ConfigDict(strict=strict), value=(annotation, default), beside=(str, "x")
    )
    trip = Trip(schema)

    @settings(max_examples=20, deadline=None, database=None)
    @given(drawn=st.lists(values, min_size=1, max_size=10))
    def comes_back(drawn: list[Any]) -> None:
        rows = [schema(value=value) for value in drawn]
        sent = [row.model_dump() for row in rows]
        found = trip.of(rows)
        assert found == sent
        assert [type(one["value"]) for one in found] == [type(one["value"]) for one in sent]

    comes_back()


def test_what_holds_itself_comes_back() -> None:
    node = Node(value=1, children=[Node(value=2)])
    assert Trip(Node).of([node]) == [node.model_dump()]


class Odd(BaseModel):
    level: Level
    number: Annotated[int | None, Field(ge=3)]
    parts: list[Part] = []
    either: int | list[int] | None = None
    sent: Json[Any] = None
    old: Annotated[str | None, Field(alias="remark")] = "draft"


def read(*rows: str) -> list[Any]:
    content = "\n".join(("level,number,parts,either,sent,remark", *rows)).encode()
    return [
        values if isinstance(values, dict) else [(tuple(one["loc"][2:]), one["type"]) for one in values]
        for values in Trip(Odd).read(content)
    ]


def test_what_is_wrong_is_told_by_the_field_alone() -> None:
    assert read("1,3,[],7,{},x", ",,,,,") == [
        {"level": Level.low, "number": 3, "parts": [], "either": 7, "sent": {}, "old": "x"},
        [(("level",), "missing")],
    ]
    assert read("2,,,,,", "2,x,,,,") == [
        {"level": Level.high, "number": None, "parts": [], "either": None, "old": None},
        [(("number",), "int_parsing")],
    ]
    assert read("3,1,x,[x],,", 'x,y,"[{""size"": 0.5}]",,,') == [
        [
            (("level",), "enum"),
            (("number",), "greater_than_equal"),
            (("parts",), "json_invalid"),
            (("either", "int"), "int_parsing"),
            (("either", "list[int]"), "list_type"),
        ],
        [(("level",), "enum"), (("number",), "int_parsing"), (("parts", 0, "size"), "int_from_float")],
    ]
