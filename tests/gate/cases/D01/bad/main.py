from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI
from sqlmodel import Session, create_engine

DATABASE_URL = "sqlite:///./things.db"
engine = create_engine(DATABASE_URL)
app = FastAPI()


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


@app.get("/things")
def things(session: Annotated[Session, Depends(get_session)]) -> list[str]:
    return []
