from typing import Annotated

from fastapi import Body, FastAPI, Query
from pydantic import BaseModel, ConfigDict, Field

app = FastAPI()


class TodoCreate(BaseModel):
    title: str = Field(max_length=5, examples=["Buy milk"])


class TodoResponse(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"id": 7}]})

    id: int
    title: str


@app.get("/todos", summary="List todos")
def list_todos(limit: Annotated[int, Query(le=100, examples=[500])] = 100) -> list[TodoResponse]:
    return []


@app.post("/todos", status_code=201, summary="Create a todo")
def create_todo(body: TodoCreate) -> TodoResponse:
    return TodoResponse(id=1, title=body.title)


@app.post("/labels", status_code=201, summary="Create a label")
def create_label(
    body: Annotated[dict[str, int], Body(openapi_examples={"usual": {"value": {"size": "large"}}})],
) -> int:
    return len(body)
