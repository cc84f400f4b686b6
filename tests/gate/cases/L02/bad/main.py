import os

from fastapi import FastAPI
from sqlmodel import Field, Session, SQLModel, create_engine, select

engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///./things.db"))
app = FastAPI()


class Thing(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)


@app.get("/things")
def list_things() -> list[int | None]:
    """List things."""
    with Session(engine) as session:
        return list(session.exec(select(Thing.id).limit(50)).all())
