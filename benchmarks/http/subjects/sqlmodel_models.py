"""The models of the SQLModel subjects, as its tutorial has them: a table, and one model for each way."""

import os
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import BigInteger, DateTime
from sqlmodel import Field, SQLModel

URL = os.environ["DATABASE_URL"]
POOL = {"pool_size": int(os.environ["POOL_SIZE"]), "max_overflow": int(os.environ["POOL_SIZE"])}


def now() -> datetime:
    return datetime.now(UTC)


class TodoBase(SQLModel):
    title: str = Field(min_length=1, max_length=200)
    status: str = "active"
    archived: bool = False


class Todo(TodoBase, table=True):
    __tablename__ = "todos"

    id: int | None = Field(default=None, primary_key=True, sa_type=BigInteger)
    owner_id: int | None = Field(default=None, index=True, sa_type=BigInteger)
    created_at: datetime = Field(default_factory=now, sa_type=DateTime(timezone=True))
    updated_at: datetime = Field(default_factory=now, sa_type=DateTime(timezone=True))


class TodoCreate(SQLModel):
    title: str = Field(min_length=1, max_length=200)
    status: Literal["active", "completed"] = "active"
    archived: bool = False


class TodoPublic(TodoBase):
    id: int
    created_at: datetime
    updated_at: datetime
