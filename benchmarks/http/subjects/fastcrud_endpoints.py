"""FastCRUD in path operations, without the count of all rows that its envelope has."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Query
from fastcrud import FastCRUD
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlmodel_models import POOL, URL, Todo, TodoCreate, TodoPublic

app = FastAPI()
engine = create_async_engine(URL.replace("postgresql:", "postgresql+asyncpg:"), **POOL)
new_session = async_sessionmaker(engine, expire_on_commit=False)
todos: Any = FastCRUD(Todo)


async def get_session() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]


@app.get("/api/todos/{todo_id}", response_model=TodoPublic)
async def read_todo(todo_id: int, session: SessionDep) -> Any:
    todo = await todos.get(session, schema_to_select=TodoPublic, id=todo_id)
    if todo is None:
        raise HTTPException(status_code=404, detail="Todo not found")
    return todo


@app.get("/api/todos", response_model=list[TodoPublic])
async def read_todos(session: SessionDep, offset: int = 0, limit: Annotated[int, Query(le=100)] = 20) -> Any:
    page = await todos.get_multi(
        session,
        offset=offset,
        limit=limit,
        schema_to_select=TodoPublic,
        sort_columns="id",
        return_total_count=False,
    )
    return page["data"]


@app.post("/api/todos", response_model=TodoPublic, status_code=201)
async def create_todo(todo: TodoCreate, session: SessionDep) -> Any:
    return await todos.create(session, todo, schema_to_select=TodoPublic)
