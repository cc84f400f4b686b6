import time

from fastapi import FastAPI

app = FastAPI()


@app.get("/things")
async def things() -> list[str]:
    time.sleep(0.01)
    return []
