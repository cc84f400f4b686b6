"""How long `stanchion check` takes for an app of 20 operations, and how much memory, whole and `--quick`.

Prints seconds, the peak of memory over the gate and the app's process together, and the ratio to the
import of the same app in a process of its own, measured in the same run, in turns. Exits with 1 where
a whole check takes 20 s or more, a quick one 6 s, or either 400 MB.

    python benchmarks/gate.py [--rounds 3]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

KINDS = ("Author", "Book", "Shelf", "Reader")
LIMITS = {"check": 20.0, "check --quick": 6.0}
MEMORY = 400.0
"""MB."""

HEAD = """
import os
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query
from sqlmodel import Field, Session, SQLModel, create_engine, select

engine = create_engine(os.getenv("DATABASE_URL", "sqlite:///library.db"))


@asynccontextmanager
async def lifespan(_: FastAPI):
    SQLModel.metadata.create_all(engine)
    yield


app = FastAPI(lifespan=lifespan)


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]
"""
KIND = '''

class {Kind}Create(SQLModel):
    name: str = Field(max_length=100)
    note: str = ""


class {Kind}Update(SQLModel):
    name: str | None = None
    note: str | None = None


class {Kind}({Kind}Create, table=True):
    id: int | None = Field(default=None, primary_key=True)


class {Kind}Response({Kind}Create):
    id: int


@app.get("/{kind}s", response_model=list[{Kind}Response])
def list_{kind}s(session: SessionDep, limit: Annotated[int, Query(le=100)] = 50):
    """List them."""
    return session.exec(select({Kind}).limit(limit)).all()


@app.post("/{kind}s", status_code=201, response_model={Kind}Response)
def create_{kind}(body: {Kind}Create, session: SessionDep):
    """Create one."""
    made = {Kind}.model_validate(body)
    session.add(made)
    session.commit()
    session.refresh(made)
    return made


@app.get("/{kind}s/{{{kind}_id}}", response_model={Kind}Response)
def read_{kind}({kind}_id: int, session: SessionDep):
    """Read one."""
    found = session.get({Kind}, {kind}_id)
    if found is None:
        raise HTTPException(404, "Not found")
    return found


@app.patch("/{kind}s/{{{kind}_id}}", response_model={Kind}Response)
def update_{kind}({kind}_id: int, body: {Kind}Update, session: SessionDep):
    """Change one."""
    found = read_{kind}({kind}_id, session)
    found.sqlmodel_update(body.model_dump(exclude_unset=True))
    session.add(found)
    session.commit()
    session.refresh(found)
    return found


@app.delete("/{kind}s/{{{kind}_id}}", status_code=204)
def delete_{kind}({kind}_id: int, session: SessionDep) -> None:
    """Delete one."""
    session.delete(read_{kind}({kind}_id, session))
    session.commit()
'''


def write(folder: Path) -> None:
    """Write an app of 20 operations: four kinds of things, five operations each."""
    text = HEAD + "".join(KIND.format(Kind=kind, kind=kind.lower()) for kind in KINDS)
    (folder / "main.py").write_text(text)


def resident(root: int) -> float:
    """Return the MB that a process and its descendants hold now."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    family, grown = {root}, True
    while grown:
        more = {one for one, parent in parents.items() if parent in family} - family
        family |= more
        grown = bool(more)
    return sum(map(_held, family))


def _held(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    found = next((line for line in lines if line.startswith("VmRSS:")), "VmRSS: 0 kB")
    return int(found.split()[1]) * 1024 / 1e6


def measured(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command to its end; return the seconds, and the peak of memory in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            peak[0] = max(peak[0], resident(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    errors = process.communicate()[1]
    seconds = time.perf_counter() - started
    ended.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {errors.decode()}")
    return seconds, peak[0]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    check = [sys.executable, "-m", "stanchion.cli", "check", "--python", sys.executable, "--fail-on", "never"]
    commands = {
        "import of the app": [sys.executable, "-c", "import main"],
        "check": [*check, "--format", "json", "--output", os.devnull],
        "check --quick": [*check, "--format", "json", "--output", os.devnull, "--quick"],
    }
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as temporary:
        write(Path(temporary))
        for _ in range(rounds):
            for name, command in commands.items():
                results[name].append(measured(command, Path(temporary)))
    base = statistics.median(seconds for seconds, _ in results["import of the app"])
    missed = False
    for name, values in results.items():
        seconds, memory = statistics.median(one for one, _ in values), max(one for _, one in values)
        limit = LIMITS.get(name)
        said = f"  (under {limit:.0f} s, {MEMORY:.0f} MB)" if limit else ""
        print(f"{name:20} {seconds:6.2f} s  {seconds / base:6.1f} x  {memory:5.0f} MB{said}")
        missed |= limit is not None and (seconds >= limit or memory >= MEMORY)
    sys.exit(missed)


if __name__ == "__main__":
    main()
