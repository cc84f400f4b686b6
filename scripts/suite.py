"""Runs FastAPI's own tests with compiled routes in place of its own, matched once: each ends as without.

The sdist of the pinned FastAPI comes from the package registry, as do the packages that its tests need
(requirements/suite.txt); they get an environment of their own, .dev/suite. All of its tests are run twice,
with compiled routes and without, and compared one by one: minutes. `--quick` runs a part of the files, with
compiled routes alone, of which every test must pass.

    python scripts/suite.py [--quick] [--processes 2]
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements/suite.txt"
ENVIRONMENT = ROOT / ".dev/suite"
PYTHON = ENVIRONMENT / "bin/python"
PLUGINS = ROOT / "tests/chaos/suite"

PATIENCE = 200
"""How many seconds a test may take, and a process that one starts."""

LEAST = 0.75
"""How many of the path operations that the tests build must be compiled, as a share."""

EXCUSED: dict[str, str] = {}
"""The tests that may end otherwise with compiled routes, each with its reason."""

QUICK = (
    "test_async_dependency_cleanup",
    "test_custom_*",
    "test_dependency_*",
    "test_dump_json_fast_path",
    "test_exception_handlers",
    "test_header_cookie_*",
    "test_multi_*_errors",
    "test_query",
    "test_response_*",
    "test_router_include_context",
    "test_security_scopes*",
    "test_serialize_response*",
    "test_strict_content_type_*",
    "test_validat*",
)
"""The files of the quick part: a third of those that stand beside the tutorial's."""

Outcomes = dict[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="run a part of the tests, once")
    parser.add_argument("--processes", type=int, default=2, help="how many processes share the tests")
    options = parser.parse_args()
    make_environment()
    with tempfile.TemporaryDirectory() as folder:
        tests = unpack(Path(folder))
        suite = Suite(tests, options.processes)
        failed = quick(suite) if options.quick else whole(suite)
    if failed:
        sys.exit("\n".join(["suite.py: compiled routes do not answer as FastAPI's own:", *failed]))


def make_environment() -> None:
    """Make .dev/suite hold what the lock names, unless it does."""
    made = ENVIRONMENT / "made-for.txt"
    if made.exists() and made.read_bytes() == LOCK.read_bytes():
        return
    print("suite.py: making the environment in .dev/suite (once; about a minute) ...", flush=True)
    venv.create(ENVIRONMENT, with_pip=True, clear=True)
    pip("install", "--no-deps", "--require-hashes", "--requirement", str(LOCK))
    made.write_bytes(LOCK.read_bytes())


def pip(*arguments: str) -> None:
    subprocess.run([PYTHON, "-m", "pip", "-qq", "--disable-pip-version-check", *arguments], check=True)


def unpack(folder: Path) -> Path:
    """Unpack the sdist of the FastAPI that is locked, but not FastAPI itself; return where its tests are."""
    found = re.search(
        r"^fastapi==\S+ \\\n(?:    --hash=\S+(?: \\)?\n)+", LOCK.read_text("utf-8"), re.MULTILINE
    )
    assert found, "the lock names no FastAPI"
    requirement = folder / "fastapi.txt"
    requirement.write_text(found.group(), encoding="utf-8")
    kept = ENVIRONMENT / "sdist"
    if not list(kept.glob("fastapi-*.tar.gz")):
        only = ["--no-deps", "--no-binary", "fastapi", "--require-hashes"]
        pip("download", *only, "--requirement", str(requirement), "--dest", str(kept))
    (sdist,) = kept.glob("fastapi-*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (tests,) = folder.glob("fastapi-*/tests")
    (tests.parent / "fastapi").rename(folder / "not imported")
    # It waits 15 s for each process that it starts, which is too short where others use the machine too.
    starting = tests / "test_telemetry/_subprocess.py"
    starting.write_text(starting.read_text("utf-8").replace("timeout=15,", f"timeout={PATIENCE},"), "utf-8")
    return tests


class Suite:
    """FastAPI's tests, unpacked."""

    def __init__(self, tests: Path, processes: int) -> None:
        self.tests = tests
        self.processes = processes

    def files(self, patterns: tuple[str, ...]) -> list[str]:
        """Return the files of these names."""
        return [
            f"tests/{file.name}" for pattern in patterns for file in sorted(self.tests.glob(f"{pattern}.py"))
        ]

    def run(self, *what: str, compiled: bool, processes: int) -> tuple[Outcomes, Counter[str]]:
        """Run files or tests. Return how each ended, and how many routes were compiled, or why not."""
        with tempfile.TemporaryDirectory() as told:
            environment = {
                **{name: value for name, value in os.environ.items() if name != "PYTHONPYCACHEPREFIX"},
                "PYTHONPATH": os.pathsep.join([str(PLUGINS), str(ROOT / "src")]),
                "PYTHONDONTWRITEBYTECODE": "1",
                "STANCHION_SUITE": "compiled" if compiled else "own",
                "STANCHION_SUITE_TOLD": told,
            }
            options = [
                "-q",
                "--tb=short",
                "--no-header",
                "--inline-snapshot=disable",
                f"--timeout={PATIENCE}",
            ]
            options += ["-p", "routes_told", "-p", "no:cacheprovider", "-p", "no:logfire"]
            options += ["-n", str(processes)] if processes > 1 else []
            subprocess.run(
                [PYTHON, "-m", "pytest", *options, *what], cwd=self.tests.parent, env=environment, check=False
            )
            outcomes: Outcomes = {}
            reasons: Counter[str] = Counter()
            for file in Path(told).glob("*.json"):
                process = json.loads(file.read_text("utf-8"))
                reasons.update(process["reasons"])
                if processes == 1 or file.stem == "all":  # which has heard of the tests of all processes
                    outcomes.update(process["outcomes"])
        return outcomes, reasons


def quick(suite: Suite) -> list[str]:
    """Run the quick part, and return what is wrong."""
    outcomes, reasons = suite.run(*suite.files(QUICK), compiled=True, processes=1)
    failed = [f"{test}: {outcome}" for test, outcome in outcomes.items() if outcome == "failed"]
    if len(outcomes) < 300:
        failed.append(f"only {len(outcomes)} tests ran")
    return failed + share(reasons)


def whole(suite: Suite) -> list[str]:
    """Run all tests with compiled routes and without, and return what differs."""
    own, _ = suite.run("tests", compiled=False, processes=suite.processes)
    compiled, reasons = suite.run("tests", compiled=True, processes=suite.processes)
    differing = differences(own, compiled)
    if differing:
        # Alone: what took too long while all ran, in one of the two, is no difference.
        tests = sorted(differing)
        again, _ = suite.run(*tests, compiled=False, processes=1)
        differing = differences(again, suite.run(*tests, compiled=True, processes=1)[0])
    failed = [f"{test}: {how}" for test, how in differing.items() if test not in EXCUSED]
    failed += [f"{test}: excused, and does not differ" for test in sorted(set(EXCUSED) - set(differing))]
    if len(own) < 5000:
        failed.append(f"only {len(own)} tests ran")
    print(f"{len(own)} tests, of which {len(differing)} end otherwise with compiled routes")
    return failed + share(reasons)


def differences(own: Outcomes, compiled: Outcomes) -> dict[str, str]:
    """Return the tests that end otherwise, and how."""
    tests = sorted({*own, *compiled})
    pairs = {test: (own.get(test, "not run"), compiled.get(test, "not run")) for test in tests}
    return {test: f"{one} without, {other} with" for test, (one, other) in pairs.items() if one != other}


def share(reasons: Counter[str]) -> list[str]:
    """Print how many path operations were compiled, and return what is wrong with that."""
    total = sum(reasons.values())
    for reason, count in reasons.most_common():
        print(f"{count:6} of {total} path operations: {reason}")
    if reasons["compiled"] < LEAST * total:
        return [f"{reasons['compiled']} of {total} path operations were compiled, fewer than {LEAST:.0%}"]
    return []


if __name__ == "__main__":
    main()
