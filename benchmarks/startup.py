"""How long a second `stanchion dev` takes, beside `uvicorn --reload` with a hello-world app.

Both from the start of the process to the first 200, in turns, so that what else the machine does
falls on both. Prints the medians and their ratio; exits with 1 where it is over 1.6. Beside them,
how long `stanchion --help` takes.

    python benchmarks/startup.py [--rounds 15]
"""

import argparse
import http.client
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEMPLATE = Path(__file__).parents[1] / "src" / "stanchion" / "template"
LIMIT = 1.6
SETTINGS = ("ENVIRONMENT", "DATABASE_URL", "API_KEY", "HOST", "PORT")

HELLO = """
from fastapi import FastAPI
from sqlmodel import Field, Session, SQLModel, create_engine, select


class Hero(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str


engine = create_engine("sqlite:///hello.db")
SQLModel.metadata.create_all(engine)
app = FastAPI()


@app.get("/")
def read_root():
    return {"Hello": "World"}


@app.get("/heroes")
def read_heroes() -> list[Hero]:
    with Session(engine) as session:
        return list(session.exec(select(Hero)))
"""


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def first_answer(module: list[str], directory: Path) -> float:
    """Start a server, return the seconds until `GET /` answers 200, and stop it."""
    port = free_port()
    command = [sys.executable, "-m", *module, "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    quiet = subprocess.DEVNULL
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=directory, env=environment, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        while process.poll() is None and time.perf_counter() - started < 60:
            if answers(port):
                return time.perf_counter() - started
            time.sleep(0.005)
        raise SystemExit(f"{' '.join(command)} did not answer.")
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(15)


def seconds_of(module: list[str]) -> float:
    """Run a module to its end, and return how long that took."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", *module], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def answers(port: int) -> bool:
    """Tell whether `GET /` answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        hello, backend = Path(folder, "hello"), Path(folder, "backend")
        hello.mkdir()
        backend.mkdir()
        (hello / "main.py").write_text(HELLO)
        commands = {
            "uvicorn --reload, hello world": (["uvicorn", "main:app", "--reload"], hello),
            "stanchion dev, second start": (["stanchion.cli", "dev", "--app-dir", str(TEMPLATE)], backend),
        }
        for command in commands.values():
            first_answer(*command)
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                times[name].append(first_answer(*command))
    medians = [statistics.median(values) for values in times.values()]
    for name, values in times.items():
        print(f"{name:32} {statistics.median(values):.3f} s  ({min(values):.3f} to {max(values):.3f})")
    helped = statistics.median(seconds_of(["stanchion.cli", "--help"]) for _ in range(rounds))
    print(f"{'stanchion --help':32} {helped:.3f} s")
    ratio = medians[1] / medians[0]
    print(f"{'ratio':32} {ratio:.2f}  (at most {LIMIT})")
    sys.exit(ratio > LIMIT)


if __name__ == "__main__":
    main()
