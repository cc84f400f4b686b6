"""The engine and the session of the SQLModel subjects that are not async, as FastAPI's tutorial has them."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import event
from sqlmodel import Session, create_engine
from sqlmodel_models import POOL, URL

if URL.startswith("sqlite"):
    engine = create_engine(URL, connect_args={"check_same_thread": False, "timeout": 30}, **POOL)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        """What every guide to SQLite on a server says; it is as durable as the other subjects are."""
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

else:
    engine = create_engine(URL.replace("postgresql:", "postgresql+psycopg:"), **POOL)


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]
