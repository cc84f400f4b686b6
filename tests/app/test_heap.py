"""The heap after the start: frozen once, and by whatever server runs the app."""

import platform
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
    assert (young, left) == (2000, 700)


@pytest.mark.parametrize("threshold", [0, 50_000])
def test_a_threshold_that_somebody_has_set_stays(threshold: int) -> None:
    served = SERVED.replace("seen = []", f"seen = []; gc.set_threshold({threshold}, 5)")
    run = subprocess.run([sys.executable, "-c", served], capture_output=True, text=True, check=True)
    assert int(run.stdout.split()[2]) == threshold


FREED = """
from pathlib import Path
from stanchion.app import heap

def resident():
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmRSS"))

blocks = [b"x" * 100_000 for _ in range(600)]
last = blocks.pop()  # what is below it in the heap is kept by C's library
blocks.clear()
before = resident()
heap._give_back()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked to give memory back")
def test_what_only_the_start_has_needed_goes_back_to_the_system() -> None:
    run = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    assert int(run.stdout) > 30_000  # of some 60,000 kB
