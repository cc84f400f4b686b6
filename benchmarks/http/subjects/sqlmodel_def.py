"""FastAPI and SQLModel as FastAPI's tutorial on SQL databases has them: path operations in `def`."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query
from sqlmodel import select
from sqlmodel_models import Todo, TodoCreate, TodoPublic
from sqlmodel_session import SessionDep

app = FastAPI()


@app.get("/api/todos/{todo_id}", response_model=TodoPublic)
def read_todo(todo_id: int, session: SessionDep) -> Todo:
    todo = session.get(Todo, todo_id)
    if not todo:
        raise HTTPException(status_code=404, detail="Todo not found")
    return todo


@app.get("/api/todos", response_model=list[TodoPublic])
def read_todos(
    session: SessionDep, offset: int = 0, limit: Annotated[int, Query(le=100)] = 20
) -> Sequence[Todo]:
    return session.exec(select(Todo).order_by(Todo.id).offset(offset).limit(limit)).all()


@app.post("/api/todos", response_model=TodoPublic, status_code=201)
def create_todo(todo: TodoCreate, session: SessionDep) -> Todo:
    made = Todo.model_validate(todo)
    session.add(made)
    session.commit()
    session.refresh(made)
    return made
