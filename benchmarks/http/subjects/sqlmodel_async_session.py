"""FastAPI and SQLModel with SQLAlchemy's AsyncSession on asyncpg."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel_models import POOL, URL, Todo, TodoCreate, TodoPublic

app = FastAPI()
engine = create_async_engine(URL.replace("postgresql:", "postgresql+asyncpg:"), **POOL)
new_session = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)


async def get_session() -> AsyncIterator[AsyncSession]:
    async with new_session() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]


@app.get("/api/todos/{todo_id}", response_model=TodoPublic)
async def read_todo(todo_id: int, session: SessionDep) -> Todo:
    todo = await session.get(Todo, todo_id)
    if not todo:
        raise HTTPException(status_code=404, detail="Todo not found")
    return todo


@app.get("/api/todos", response_model=list[TodoPublic])
async def read_todos(
    session: SessionDep, offset: int = 0, limit: Annotated[int, Query(le=100)] = 20
) -> Sequence[Todo]:
    return (await session.exec(select(Todo).order_by(Todo.id).offset(offset).limit(limit))).all()


@app.post("/api/todos", response_model=TodoPublic, status_code=201)
async def create_todo(todo: TodoCreate, session: SessionDep) -> Todo:
    made = Todo.model_validate(todo)
    session.add(made)
    await session.commit()
    return made
