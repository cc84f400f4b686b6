"""What is found in the process of an app that freezes its heap, and that is not done with its answer."""

import gc
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stanchion.gate import Finding, Project, Rule, all_rules, check
from stanchion.gate.agent import heap
from stanchion.gate.subject import Subject

APP = """
import asyncio
import gc
import time
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_engine("sqlite:///shop.db")


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)


@asynccontextmanager
async def lifespan(_):
    gc.collect()
    gc.freeze()
    yield


app = FastAPI(lifespan=lifespan)


@app.get("/late")
async def late(tasks: BackgroundTasks) -> None:
    tasks.add_task(asyncio.sleep, 0.2)


@app.get("/stream")
async def stream() -> StreamingResponse:
    def ticks():
        yield "a"
        time.sleep(2)

    return StreamingResponse(ticks(), media_type="text/plain")
"""


def test_what_is_frozen_is_found_and_stays_frozen() -> None:
    class Rare:
        pass

    rare = Rare()
    assert heap.alive(Rare) == [rare]
    gc.freeze()
    try:
        assert heap.alive(Rare) == [rare]
        assert heap.counts()["frozen"] > 0
    finally:
        gc.unfreeze()


@pytest.mark.slow
def test_an_app_that_freezes_when_it_starts(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    frozen = next(one for one in all_rules() if one.id == "C13")
    waited: dict[str, Any] = {}

    def look(subject: Subject) -> Iterable[Finding]:
        running = subject.running
        assert running.live.engines() == ["sqlite:///shop.db"]
        for operation in subject.document.operations:
            exchange = running.ask(operation, read_for=0.1)
            started = time.perf_counter()
            (inside,) = running.live.inside(exchange)
            waited[operation.path] = inside["ended_at"] is not None, time.perf_counter() - started < 0.1
            waited["left"] = exchange.left
        return ()

    rule: Rule = replace(frozen, id="X01", check=look)
    report = check(Project.find(tmp_path, entry="main:app"), rules=[frozen, rule])
    assert [(one.verified, one.findings, one.reason) for one in report.results] == [(True, (), "")] * 2
    assert report.notes == ("made the tables things: nothing else had",)
    assert waited == {"/late": (True, False), "/stream": (False, True), "left": True}
