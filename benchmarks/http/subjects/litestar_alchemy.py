"""Litestar with the plugin, repository and service of advanced-alchemy, and msgspec's structs."""

import os
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from advanced_alchemy.extensions.litestar import (
    AsyncSessionConfig,
    EngineConfig,
    SQLAlchemyAsyncConfig,
    SQLAlchemyPlugin,
    base,
    filters,
    providers,
    repository,
    service,
)
from litestar import Controller, Litestar, get, post
from litestar.params import Parameter
from sqlalchemy.orm import Mapped, mapped_column

URL = os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+asyncpg:")
POOL_SIZE = int(os.environ["POOL_SIZE"])


class Todo(base.BigIntAuditBase):
    __tablename__ = "todos"

    title: Mapped[str]
    status: Mapped[str]
    archived: Mapped[bool]
    owner_id: Mapped[int | None] = mapped_column(default=None)


class TodoCreate(msgspec.Struct):
    title: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    status: Literal["active", "completed"] = "active"
    archived: bool = False


class TodoPublic(msgspec.Struct):
    id: int
    title: str
    status: str
    archived: bool
    created_at: datetime
    updated_at: datetime


class TodoService(service.SQLAlchemyAsyncRepositoryService[Todo]):
    class Repository(repository.SQLAlchemyAsyncRepository[Todo]):
        model_type = Todo

    repository_type = Repository


class TodoController(Controller):
    path = "/api/todos"
    dependencies = providers.create_service_dependencies(TodoService, "todos")

    @get("/{todo_id:int}")
    async def read_todo(self, todos: TodoService, todo_id: int) -> TodoPublic:
        return todos.to_schema(await todos.get(todo_id), schema_type=TodoPublic)

    @get()
    async def read_todos(
        self, todos: TodoService, offset: int = 0, limit: Annotated[int, Parameter(le=100)] = 20
    ) -> list[TodoPublic]:
        rows = await todos.list(filters.LimitOffset(limit, offset), filters.OrderBy("id", "asc"))
        return msgspec.convert(rows, list[TodoPublic], from_attributes=True)

    @post()
    async def create_todo(self, todos: TodoService, data: TodoCreate) -> TodoPublic:
        return todos.to_schema(await todos.create(data), schema_type=TodoPublic)


app = Litestar(
    [TodoController],
    plugins=[
        SQLAlchemyPlugin(
            SQLAlchemyAsyncConfig(
                connection_string=URL,
                before_send_handler="autocommit",
                session_config=AsyncSessionConfig(expire_on_commit=False),
                engine_config=EngineConfig(pool_size=POOL_SIZE, max_overflow=POOL_SIZE),
            )
        )
    ],
    openapi_config=None,
)
