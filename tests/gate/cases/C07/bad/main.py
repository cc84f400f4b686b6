import os

from fastapi import FastAPI

LIMIT = int(os.getenv("THINGS_LIMIT", "3"))
app = FastAPI()


@app.get("/things")
def things() -> list[str]:
    return ["thing"] * LIMIT
