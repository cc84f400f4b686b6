"""The heap after the start: frozen once, and by whatever server runs the app."""

import subprocess
import sys

import pytest

SERVED = """
import asyncio, gc
from fastapi import FastAPI
from stanchion import Settings, install
from stanchion.secret import new_key

async def main():
    seen = []
    for _ in range(2):
        app = FastAPI()
        install(app, Settings.load(DATABASE_URL="sqlite:///./app.db", API_KEY=new_key()))
        seen.append(gc.get_freeze_count())
        async with app.router.lifespan_context(app):
            seen.append(gc.get_freeze_count())
        seen.append(gc.get_threshold()[0])
        gc.set_threshold(700)
    print(*seen)

asyncio.run(main())
"""


def test_what_the_start_makes_is_frozen_once() -> None:
    run = subprocess.run([sys.executable, "-c", SERVED], capture_output=True, text=True, check=True)
    before, first, young, _, second, left = map(int, run.stdout.split())
    assert before == 0
    assert first > 10_000  # FastAPI, Pydantic and what they import
    assert second <= first  # a frozen object that nobody needs any more still goes
    assert (young, left) == (10_000, 700)


@pytest.mark.parametrize("threshold", [0, 50_000])
def test_a_threshold_that_somebody_has_set_stays(threshold: int) -> None:
    served = SERVED.replace("seen = []", f"seen = []; gc.set_threshold({threshold}, 5)")
    run = subprocess.run([sys.executable, "-c", served], capture_output=True, text=True, check=True)
    assert int(run.stdout.split()[2]) == threshold
