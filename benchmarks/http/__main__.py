"""Stanchion beside its peers and the floor, over HTTP: what a request costs, as tables, JSON and a picture.

    python -m benchmarks.http --peers PYTHON [--quick] [--json FILE] [--write-docs] [--only NAME ...]

scripts/bench.sh makes the environment of the peers and runs this. Each subject is a server on a core of
its own; PostgreSQL and the load are on another. It answers as all others do, or nothing is measured.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.http import beside, growth, measuring, report
from benchmarks.http.catalogue import SUBJECTS, Subject
from benchmarks.http.cores import pin, split
from benchmarks.http.databases import Shelf
from benchmarks.http.load import ROOT, Driver
from benchmarks.http.measuring import Bench, Result
from benchmarks.http.picture import svg

from stanchion import logging
from stanchion.testing.postgres import PostgresServer

PAGE = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "pictures" / "performance.svg"
PICTURED = ("get", "list 20", "list 100", "post")
VERSIONS = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


def main() -> None:
    """Measure, print, and write what is asked for; exit with 1 where a subject could not be measured."""
    given = arguments()
    logging.configure(level="WARNING")  # what fills the databases has nothing to say
    subjects = [one for one in SUBJECTS if not given.only or one.name in given.only]
    until = time.monotonic() + given.minutes * 60
    with ExitStack() as stack:
        bench, folder = ready(stack, given)
        before = os.getloadavg()[0]
        if before > 1:
            tell(f"others use this machine (load {before:.1f}): the figures are inflated, the ratios less so")
        results, excluded = measuring.compare(bench, subjects, given.rounds, until=until, tell=tell)
        distances = [] if given.only or excluded else beside.measure(bench, given.pairs, tell=tell)
        facts = [] if given.only else growth.measure(bench, folder, quick=given.quick, tell=tell)
    versions = versions_of(subjects, given.peers)
    told = {
        "date": date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": versions,
        "client": bench.driver.name,
        "pinned": bench.server_cores is not None,
        "load_before": round(before, 2),
        "results": measuring.as_json(results),
        "beside": beside.as_json(distances),
        "growth": growth.as_json(facts),
        "excluded": excluded,
    }
    print(report.markdown(results))
    if distances:
        print("", beside.markdown(distances), sep="\n")
    if facts:
        print("", growth.markdown(facts), sep="\n")
    if given.json:
        given.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if given.write_docs:
        write_docs(results, distances, facts, told)
    sys.exit(bool(excluded))


def arguments() -> Any:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--peers", required=True, help="the interpreter that has the peers")
    parser.add_argument("--quick", action="store_true", help="one short round, and less of what grows")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to it")
    parser.add_argument("--write-docs", action="store_true", help="fill docs/performance.md and its picture")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these subjects, and nothing that grows")
    parser.add_argument("--client", choices=["wrk", "python"], help="wrk is taken where it is installed")
    parser.add_argument("--rounds", type=int, help="default: 3, with --quick 1")
    parser.add_argument("--pairs", type=int, help="of loads beside the floor; default: 12, with --quick 2")
    parser.add_argument("--seconds", type=float, help="of each load; default: 2, with --quick 1")
    parser.add_argument(
        "--minutes", type=float, default=11.0, help="no round begins that would not end by then"
    )
    given = parser.parse_args()
    if given.only and given.write_docs:
        parser.error("--write-docs wants all subjects: leave --only out")
    given.rounds = given.rounds or (1 if given.quick else 3)
    given.pairs = given.pairs or (2 if given.quick else 12)
    given.seconds = given.seconds or (1.0 if given.quick else 2.0)
    return given


def ready(stack: ExitStack, given: Any) -> tuple[Bench, Path]:
    """Start what all measurements need; the folder of SQLite's files is on the disk, not in memory."""
    (ROOT / ".dev").mkdir(exist_ok=True)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=ROOT / ".dev", prefix="bench-")))
    server_cores, other_cores = split() or (None, None)
    postgres = stack.enter_context(PostgresServer())
    pin(postgres.pid, other_cores)
    bench = Bench(
        shelf=Shelf(folder, postgres),
        driver=Driver(other_cores, given.client),
        postgres=postgres,
        peers=given.peers,
        server_cores=server_cores,
        seconds=given.seconds,
        warm_up=1.0,
    )
    return bench, folder


def versions_of(subjects: Sequence[Subject], peers: str) -> dict[str, str]:
    """Return the versions of what was measured, in the peers' environment and in ours."""
    names = sorted({name for one in subjects for name in one.packages})
    found: dict[str, str] = json.loads(_printed([peers, "-c", VERSIONS, *names]))
    return {**found, **json.loads(_printed([sys.executable, "-c", VERSIONS, "stanchion"]))}


def write_docs(
    results: Sequence[Result],
    distances: Sequence[beside.Distance],
    facts: Sequence[growth.Fact],
    told: dict[str, Any],
) -> None:
    """Fill the page's sections, and draw its picture."""
    packages = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    where = f"on {told['machine']} with Python {told['python']} and {told['client']}"
    measured = f"Measured on {told['date']}, {where}: {packages}."
    if told["load_before"] > 1:
        measured += f" Others used the machine (load {told['load_before']}): read the ratios."
    sections = {
        "machine": measured,
        "tables": report.markdown(results),
        "beside": beside.markdown(distances),
        "growth": growth.markdown(facts),
    }
    report.write(PAGE, sections)
    PICTURE.write_text(svg(report.Table.of("postgresql", results), PICTURED), encoding="utf-8")


def tell(line: str) -> None:
    """Say on standard error what is going on."""
    print(f"bench: {line}", file=sys.stderr, flush=True)


def _printed(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
