import asyncio
import time

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

app = FastAPI()


@app.get("/things")
async def things() -> list[str]:
    await asyncio.sleep(0.01)
    await run_in_threadpool(lambda: time.sleep(0.01))
    return []


@app.get("/others")
def others() -> list[str]:
    time.sleep(0.01)
    return []
