from datetime import datetime
from decimal import Decimal
from typing import Annotated

from fastapi import Body, FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field

app = FastAPI()


class TodoCreate(BaseModel):
    title: str = Field(max_length=200, examples=["Buy milk"])
    example: int | None = Field(default=None, examples=[1, None])
    due: datetime | None = Field(default=None, examples=["2030-01-01T12:00:00Z"])
    price: Decimal = Field(default=Decimal(1), examples=["1.50", 2])
    parts: list["TodoCreate"] = Field(default=[], examples=[[{"title": "Find the shop"}]])


class TodoResponse(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"id": 7, "title": "Buy milk"}]})

    id: int
    title: str


@app.get("/todos", summary="List todos")
def list_todos(limit: Annotated[int, Query(le=100, examples=[50, "20"])] = 100) -> list[TodoResponse]:
    return []


@app.post("/todos", status_code=201, summary="Create a todo")
def create_todo(body: TodoCreate) -> TodoResponse:
    return TodoResponse(id=1, title=body.title)


@app.post("/labels", status_code=201, summary="Create a label")
def create_label(
    body: Annotated[
        dict[str, float],
        Body(
            openapi_examples={
                "usual": {"value": {"size": 35.4}},
                "converted": {"value": {"size": "35.4"}},
                "invalid": {"summary": "This one is refused", "value": {"size": "large"}},
            }
        ),
    ],
) -> int:
    return len(body)
