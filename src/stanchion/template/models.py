"""The tables. A change here wants `stanchion migrate new "what changed"`."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Column, Enum, ForeignKey, Index, String
from sqlmodel import Field, SQLModel

from stanchion.database import BigID, UTCDateTime, now
from stanchion.resource import FileFormat


class TodoStatus(StrEnum):
    """What a todo can be."""

    active = "active"
    completed = "completed"


class User(SQLModel, table=True):
    """Somebody with an account."""

    __tablename__ = "users"
    __table_args__ = {"sqlite_autoincrement": True}  # no id is given twice

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    email: str = Field(max_length=254)
    """As it was typed."""
    email_key: str = Field(max_length=254, unique=True)
    """In its normal form: one account per address, however it is written."""
    name: str = Field(max_length=100)
    password_hash: str = Field(max_length=255)
    created_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)


class Todo(SQLModel, table=True):
    """Something to do. Without an owner it belongs to the service itself."""

    __tablename__ = "todos"
    __table_args__ = (
        # One for each order that routers/todos.py declares: a page is a walk along it.
        Index("ix_todos_owner_id_id", "owner_id", "id"),
        Index("ix_todos_owner_id_created_at_id", "owner_id", "created_at", "id"),
        Index("ix_todos_owner_id_title_id", "owner_id", "title", "id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    owner_id: int | None = Field(
        default=None, sa_column=Column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=True)
    )
    title: str = Field(max_length=200)
    status: TodoStatus = Field(
        default=TodoStatus.active,
        sa_column=Column(Enum(TodoStatus, name="todo_status", native_enum=False, length=20), nullable=False),
    )
    archived: bool = Field(default=False)
    version: int = Field(default=1)
    """Raised by each change: the ETag."""
    created_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)
    updated_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)


class File(SQLModel, table=True):
    """A file that somebody has sent, or that an action has made. It is kept in parts, for a week."""

    __tablename__ = "files"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    owner_id: int | None = Field(
        default=None,
        sa_column=Column(BigInteger, ForeignKey("users.id", ondelete="CASCADE"), nullable=True, index=True),
    )
    format: FileFormat = Field(default="ndjson", sa_column=Column(String(10), nullable=False))
    size: int | None = Field(default=None, sa_type=BigInteger)
    """Bytes. A file that is still being written has none, and nobody sees it."""
    created_at: datetime = Field(default_factory=now, sa_type=UTCDateTime, index=True)


class FilePart(SQLModel, table=True):
    """A part of a file: a large one need not be in memory as a whole."""

    __tablename__ = "file_parts"

    file_id: int | None = Field(
        default=None,
        sa_column=Column(BigInteger, ForeignKey("files.id", ondelete="CASCADE"), primary_key=True),
    )
    number: int = Field(primary_key=True)
    content: bytes
