import os

from fastapi import FastAPI
from sqlalchemy import create_engine, text

engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///./things.db"))
app = FastAPI()


@app.get("/things")
def list_things() -> list[int]:
    """List things."""
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT 1")))
