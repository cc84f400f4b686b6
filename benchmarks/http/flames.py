"""Flame graphs of Stanchion's get and post on PostgreSQL, and what each layer takes of a request.

    python -m benchmarks.http.flames --peers PYTHON [--write-docs]

py-spy, in the peers' environment, looks 250 times a second at what a server under load is doing.
"""

import argparse
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from xml.sax.saxutils import escape

from benchmarks.http import report
from benchmarks.http.__main__ import PAGE, ready, tell
from benchmarks.http.catalogue import SUBJECTS
from benchmarks.http.load import ROOT
from benchmarks.http.measuring import Bench
from benchmarks.http.operations import GET, POST, Operation
from benchmarks.http.serving import Server, serving

PICTURES = ROOT / "docs" / "pictures"
_TITLE = re.compile(r'(<text id="title"[^>]*>)[^<]*')
_SECONDS = 15
_RATE = 250

LAYERS: Mapping[str, Sequence[str]] = {
    "the server: uvicorn, uvloop, httptools": ("uvicorn/", "stanchion/cli/"),
    "FastAPI and Starlette: which route it is": (
        "fastapi/routing.py",
        "starlette/routing.py",
        "stanchion/routing/shortcut.py",
        "stanchion/routing/table.py",
    ),
    "FastAPI and Starlette: all else": ("fastapi/", "starlette/"),
    "the signature: stanchion.routing": ("stanchion/routing/",),
    "the key: stanchion.security": ("stanchion/security/",),
    "the access log, the errors, the middlewares: stanchion.app": (
        "stanchion/app/",
        "stanchion/logging.py",
        "stanchion/errors/",
        "structlog/",
    ),
    "a connection out of the pool: SQLAlchemy": (
        "sqlalchemy/",
        "stanchion/database/lending.py",
        "stanchion/database/liveness.py",
    ),
    "the statement: asyncpg": ("asyncpg/",),
    "the validation of a body: Pydantic": ("pydantic/",),
    "the resource: stanchion.resource, stanchion.database": ("stanchion/",),
}
"""Whose a sample is: the innermost frame of its stack that one of these names has. The first that fits."""


def main() -> None:
    """Draw what is asked, and print or write the shares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--peers", required=True, help="the interpreter of the environment that has py-spy")
    parser.add_argument("--write-docs", action="store_true", help="write docs/pictures and the page's table")
    given = parser.parse_args()
    (subject,) = (one for one in SUBJECTS if (one.name, one.engine) == ("stanchion", "postgresql"))
    found: dict[str, Counter[str]] = {}
    with ExitStack() as stack:
        options = SimpleNamespace(client=None, peers=given.peers, seconds=1.0)
        bench, _ = ready(stack, options)
        into = PICTURES if given.write_docs else Path(stack.enter_context(tempfile.TemporaryDirectory()))
        database = bench.shelf.copy("postgresql", "stanchion")
        with serving(subject, database, peers=given.peers, cores=bench.server_cores) as server:
            for operation in (GET, POST):
                tell(f"a flame graph of {operation.name}")
                found[operation.name] = watched(bench, server, operation, into)
    print(shares(found))
    if given.write_docs:
        report.write(PAGE, {"layers": shares(found)})


def watched(bench: Bench, server: Server, operation: Operation, into: Path) -> "Counter[str]":
    """Draw `flame-NAME.svg`, and return how many samples each layer has."""
    bench.driver.drive(server, operation, 2)
    spy = str(Path(bench.peers).with_name("py-spy"))
    raw = into / f"flame-{operation.name}.txt"
    for kind, file in (("flamegraph", raw.with_suffix(".svg")), ("raw", raw)):
        command = [spy, "record", "--pid", str(server.pid), "--duration", str(_SECONDS), "--rate", str(_RATE)]
        with tempfile.TemporaryFile("w+") as said:
            recording = subprocess.Popen(
                [*command, "--format", kind, "--output", str(file)], stdout=subprocess.DEVNULL, stderr=said
            )
            try:
                bench.driver.drive(server, operation, _SECONDS + 2)
                failed = recording.wait(_SECONDS)
            finally:
                recording.terminate()
            said.seek(0)
            if failed or not file.exists():
                raise SystemExit(f"py-spy could not look at the server: {said.read()}")
    _entitle(raw.with_suffix(".svg"), f"{operation.method} {operation.path}: where the server's time goes")
    lines = raw.read_text(encoding="utf-8").splitlines()
    raw.unlink()
    return by_layer(lines)


def _entitle(picture: Path, title: str) -> None:
    """Say what it shows, in the place of the command that made it, which names paths of this machine."""
    drawn = picture.read_text(encoding="utf-8")
    picture.write_text(_TITLE.sub(lambda found: found[1] + escape(title), drawn, count=1), encoding="utf-8")


def by_layer(lines: Iterable[str]) -> "Counter[str]":
    """Count samples by the layer of their innermost frame; `a (f.py:1);b (g.py:2) 7` are seven."""
    found: Counter[str] = Counter()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        found[_layer(stack.split(";"))] += int(count)
    return found


def _layer(stack: Sequence[str]) -> str:
    for frame in reversed(stack):
        file = frame.rpartition("(")[2]
        for name, parts in LAYERS.items():
            if any(part in file for part in parts):
                return name
    return "the server: uvicorn, uvloop, httptools"


def shares(found: Mapping[str, "Counter[str]"]) -> str:
    """Return a table: a row for each layer, and what part of the samples it has in each operation."""
    lines = [f"| layer | {' | '.join(found)} |", f"| --- |{' ---: |' * len(found)}"]
    for name in LAYERS:
        parts = [samples[name] / max(1, samples.total()) for samples in found.values()]
        lines.append(f"| {name} | {' | '.join(f'{part:.0%}' for part in parts)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
