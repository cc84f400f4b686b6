"""Uses the built distributions as a stranger would: `python scripts/installed.py [--quick] FOLDER`.

Each Python from 3.11 on PATH gets an environment of its own, .dev/installed/3.N, with the pins of
requirements/runtime.txt and nothing else, and in it FOLDER's wheel. All that is then run is run outside of
the repository. The sdist must build the same wheel, and is tried on one of them. With --quick there is one
Python, the one that runs this, and no sdist.

The environments stay, with the pins; what is installed in them of Stanchion is new each time.
"""

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".dev/installed"
RUNTIME, DEV = ROOT / "requirements/runtime.txt", ROOT / "requirements/dev.txt"
TESTED_WITH = ("pytest", "httpx2")
"""What a project's tests need beside the runtime, on SQLite."""

PIN = re.compile(r"^(?P<name>[a-z0-9-]+)==\S+[^\n]* \\\n(?:    --hash=\S+(?: \\)?\n)+", re.MULTILINE)
PINNED = ("install", "--no-deps", "--no-compile", "--require-hashes")
PUBLIC = (
    "import stanchion; [getattr(stanchion, name) for name in stanchion.__all__]; print(stanchion.__file__)"
)
PATIENCE = 300


class TrialError(Exception):
    """What was run ended otherwise than it should."""


def run(*command: str | Path, folder: Path, **variables: str) -> str:
    """Run a command to its end, with no package but its interpreter's, and return what it printed."""
    kept = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env=kept | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = (late.output or b"").decode(errors="replace")
        raise TrialError(f"{' '.join(map(str, command))} did not end in {PATIENCE} s:\n{said}") from late
    if done.returncode:
        raise TrialError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def pythons(quick: bool) -> dict[str, str]:
    """Return the interpreters on PATH that can make an environment, by version; say which cannot."""
    found = {"{}.{}".format(*sys.version_info): sys.executable}
    if quick:
        return found
    for name in (f"python3.{minor}" for minor in range(11, 20)):
        if name[6:] in found or not (path := shutil.which(name)):
            continue
        try:
            run(path, "-c", "import ensurepip, sqlite3, venv", folder=ROOT)
            found[name[6:]] = path
        except (TrialError, OSError):
            print(f"{name} is on PATH, but does not run or has no venv or sqlite3: left out")
    return found


def needed(names: tuple[str, ...]) -> set[str]:
    """Return the packages and all that they need, as they are installed where this runs."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        asked = map(Requirement, metadata.requires(name) or [])
        waiting += [one.name for one in asked if one.marker is None or one.marker.evaluate({"extra": ""})]
    return {re.sub(r"[-_.]+", "-", name).lower() for name in found}


def pins_of_tests() -> str:
    """Return the pins of what the tests need and the runtime has not."""
    runtime = {pin["name"] for pin in PIN.finditer(RUNTIME.read_text("utf-8"))}
    wanted = needed(TESTED_WITH) - runtime
    return "".join(pin[0] for pin in PIN.finditer(DEV.read_text("utf-8")) if pin["name"] in wanted)


class Environment:
    """An environment of one Python, with the pins of the runtime; what tests need lies in a folder beside."""

    def __init__(self, version: str, interpreter: str) -> None:
        self.folder = ENVIRONMENTS / version
        self.python = self.folder / "bin/python"
        self.for_tests = self.folder / "for-tests"
        pins, made = pins_of_tests(), self.folder / "made-for"
        wanted = f"{interpreter} {ROOT}\n{RUNTIME.read_text('utf-8')}{pins}"
        if made.exists() and made.read_text("utf-8") == wanted:
            return
        print(f"making the environment of Python {version} (once; about a minute) ...", flush=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        run(interpreter, "-m", "venv", self.folder, folder=ROOT)
        self.pip(*PINNED, "--requirement", RUNTIME)
        lock = self.folder / "for-tests.txt"
        lock.write_text(pins, "utf-8")
        self.pip(*PINNED, "--target", self.for_tests, "--requirement", lock)
        made.write_text(wanted, "utf-8")

    def pip(self, *arguments: str | Path) -> None:
        """Run pip, which may say nothing."""
        run(self.python, "-m", "pip", "-qq", "--disable-pip-version-check", *arguments, folder=self.folder)

    def install(self, wheel: Path, folder: Path) -> None:
        """Install a wheel of Stanchion in place of the one before; see that it is this one, and whole."""
        self.pip("install", "--no-deps", "--no-compile", "--force-reinstall", wheel)
        run(self.python, "-m", "pip", "--disable-pip-version-check", "check", folder=self.folder)
        version = wheel.name.split("-")[1]
        expect(run(self.folder / "bin/stanchion", "--version", folder=folder), f"stanchion {version}\n")
        if not Path(run(self.python, "-c", PUBLIC, folder=folder).strip()).is_relative_to(self.folder):
            raise TrialError("stanchion was imported from somewhere else")

    def use(self, folder: Path) -> None:
        """Make a project, give it the skill, import it, and run its tests."""
        command, shop = self.folder / "bin/stanchion", folder / "shop"
        run(command, "init", "shop", folder=folder)
        run(command, "skill", "install", folder=shop)
        skill = (shop / ".agents/skills/stanchion/SKILL.md").read_text("utf-8")
        if run(command, "--version", folder=shop).split()[1] not in skill:
            raise TrialError("the skill that was installed is of another version")
        expect(
            run(self.python, "-c", "import main; print(type(main.app).__name__)", folder=shop), "FastAPI\n"
        )
        tests = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
        said = run(self.python, *tests, folder=shop, PYTHONPATH=str(self.for_tests))
        print("    the project's tests:", said.splitlines()[-1])


def expect(said: str, wanted: str) -> None:
    """Hold what was printed against what should be."""
    if said != wanted:
        raise TrialError(f"{wanted.strip()!r} was expected, and not {said.strip()!r}")


def from_sdist(sdist: Path, wheel: Path, folder: Path) -> Path:
    """Build a wheel of the sdist with pip and the hatchling at hand; it must hold what the other does."""
    build = ("-m", "pip", "-qq", "--disable-pip-version-check", "wheel", "--no-deps", "--no-build-isolation")
    run(sys.executable, *build, "--wheel-dir", folder, sdist, folder=folder)
    built = folder / wheel.name
    if contents(built) != contents(wheel):
        raise TrialError("the sdist builds another wheel than the repository")
    return built


def contents(wheel: Path) -> set[tuple[str, int]]:
    """Return the names in a wheel, each with its checksum."""
    return {(one.filename, one.CRC) for one in zipfile.ZipFile(wheel).infolist()}


def main() -> None:
    """Try them all; exit with 1 and what was said where one fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="try the Python that runs this, and the wheel, alone"
    )
    parser.add_argument("folder", type=Path, help="where the wheel and the sdist are")
    options = parser.parse_args()
    [wheel], [sdist] = options.folder.glob("*.whl"), options.folder.glob("*.tar.gz")
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (ENVIRONMENTS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time
        for number, (version, interpreter) in enumerate(pythons(options.quick).items()):
            try_on(version, interpreter, wheel, None if number or options.quick else sdist)


def try_on(version: str, interpreter: str, wheel: Path, sdist: Path | None) -> None:
    """Install and use the wheel on one Python, after what the sdist builds; say how long that took."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        environment = Environment(version, interpreter)
        if sdist:
            environment.install(from_sdist(sdist, wheel, folder), folder)
        environment.install(wheel, folder)
        environment.use(folder)
    print(f"    Python {version}: installed and used in {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    try:
        main()
    except TrialError as failed:
        sys.exit(f"installed.py: {failed}")
