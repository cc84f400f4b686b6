"""The example of a row: of its fields' own examples, or of what fits their types."""

import uuid
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, Field

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
    assert made.model_dump()["title"] == "A lamp"
    assert made.model_dump()["remark"] == "none"
    thing = Thing.model_validate_json(made.model_dump_json())
    assert (thing.size, thing.kind, thing.parts) == (Size.small, "new", [])
    assert sample(Thing, output=True).model_dump() == made.model_dump()
