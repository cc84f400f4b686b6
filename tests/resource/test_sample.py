"""The example of a row: of its fields' own examples, or of what fits their types."""

import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, model_validator

from stanchion.resource.sample import sample


class Size(StrEnum):
    small = "s"


class Part(BaseModel):
    name: str


class Thing(BaseModel):
    code: uuid.UUID
    title: Annotated[str, Field(examples=["A lamp"])]
    size: Size
    kind: Literal["new", "used"]
    price: float
    count: int | None
    made_on: date
    seen_at: datetime
    is_sold: bool
    parts: list[Part]
    note: str = Field("none", alias="remark")
    shelf: str


def test_it_fits_its_schema() -> None:
    made = sample(Thing)
    assert made is not None
    assert made.model_dump()["title"] == "A lamp"
    assert made.model_dump()["remark"] == "none"
    thing = Thing.model_validate_json(made.model_dump_json())
    assert (thing.size, thing.kind, thing.parts) == (Size.small, "new", [])
    written = sample(Thing, output=True)
    assert written is not None
    assert written.model_dump() == made.model_dump()


class Node(BaseModel):
    value: int
    children: list["Node"] = []
    parent: "Node | None"


class Within(BaseModel):
    at: time
    takes: timedelta
    number: Annotated[int, Field(ge=100)]
    beside: Annotated[int, Field(gt=0, lt=3)]
    share: Annotated[float, Field(gt=0, lt=1)]
    even: Annotated[int, Field(multiple_of=2)]
    short: Annotated[str, Field(max_length=2)]
    long: Annotated[str, Field(min_length=9)]
    letter: Annotated[str, Field(pattern="^[A-Z]$")]
    price: Decimal
    some: Annotated[list[int], Field(min_length=2)]
    pair: tuple[int, str]
    node: Node
    tags: dict[str, int]


class Guessed(BaseModel):
    code: Annotated[str, Field(pattern=r"^\d{3}-[a-z]{5}$")]


class Ruled(BaseModel):
    first: int
    last: int

    @model_validator(mode="after")
    def in_order(self) -> "Ruled":
        if self.last <= self.first:
            raise ValueError("The last comes after the first.")
        return self


@pytest.mark.parametrize("schema", [Node, Within])
@pytest.mark.parametrize("output", [True, False])
def test_it_fits_limits_and_what_holds_itself(schema: type[BaseModel], output: bool) -> None:
    made = sample(schema, output=output)
    assert made is not None
    assert set(made.model_dump()) == set(schema.model_fields)
    schema.model_validate_json(made.model_dump_json())


@pytest.mark.parametrize("schema", [Guessed, Ruled])
def test_there_is_none_that_would_be_refused(schema: type[BaseModel]) -> None:
    assert sample(schema) is None
