"""From the wheel to a project that serves, as a newcomer has it: by pip, with nothing of the repository."""

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.serving import paste

REPOSITORY = Path(__file__).parents[2]
SOURCES = ("src", "pyproject.toml", "README.md", "LICENSE", ".gitignore")
DECOYS = (".env", "x.db", "x.db-wal", "__pycache__/main.cpython-311.pyc", ".pytest_cache/README.md")
PATIENCE = 240

pytestmark = [pytest.mark.slow, pytest.mark.timeout(480)]


def clean_environment(venv: Path | None = None) -> dict[str, str]:
    """Return the environment of a new terminal, with `venv` activated in it."""
    known = ("PATH", "LANG", "HOME", "TMPDIR", "STANCHION_TEST_DATABASE_URL")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in known or name.startswith(("PIP_", "SSL_"))
    }
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    if venv is not None:
        environment |= {"VIRTUAL_ENV": str(venv), "PATH": f"{venv}/bin{os.pathsep}{environment['PATH']}"}
    return environment


def run(*arguments: str | Path, cwd: Path, environment: dict[str, str] | None = None) -> str:
    """Run a program that has to succeed, and return what it prints."""
    result = subprocess.run(
        arguments,
        cwd=cwd,
        env=environment or clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.returncode == 0, f"{arguments}\n{result.stdout}"
    return result.stdout


@contextmanager
def running(command: str, *, cwd: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a server as a terminal does, and end it as Control-C does."""
    server = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command}"],
        cwd=cwd,
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield server
        os.killpg(server.pid, signal.SIGINT)
        server.communicate(timeout=60)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.communicate(timeout=60)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built where a template has run and left its traces."""
    copy = tmp_path_factory.mktemp("repository")
    for name in SOURCES:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(REPOSITORY / name, copy / name)
    for folder in ("src/stanchion", "src/stanchion/template", "src/stanchion/template/routers"):
        for decoy in DECOYS:
            path = copy / folder / decoy
            path.parent.mkdir(exist_ok=True)
            path.write_text("API_KEY=st_decoy")
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", "dist"]
    run(*build, cwd=copy, environment=dict(os.environ))
    (built,) = (copy / "dist").iterdir()
    # Somewhere else: what is installed from it can reach no source.
    return built.rename(tmp_path_factory.mktemp("wheel") / built.name)


def test_the_wheel_holds_the_sources_and_nothing_that_ran(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if name.startswith("stanchion/")}
        script = archive.getinfo("stanchion/.agents/skills/stanchion/scripts/run_dev.sh")
        assert b"st_decoy" not in b"".join(map(archive.read, held))
    package = REPOSITORY / "src/stanchion"
    ran = re.compile(r"(^|/)(\.env|__pycache__|\.\w+_cache)(/|$)|\.db(-\w+)?$|\.pyc$")
    sources = {path.relative_to(package.parent).as_posix() for path in package.rglob("*") if path.is_file()}
    assert held == {name for name in sources if not ran.search(name)}
    assert (script.external_attr >> 16) & stat.S_IXUSR


def typed(heading: str) -> list[str]:
    """Return the lines of the first shell block below a heading of README.md."""
    text = (REPOSITORY / "README.md").read_text()
    return text.partition(f"\n## {heading}\n")[2].partition("```sh\n")[2].partition("```")[0].splitlines()


@pytest.fixture(scope="module")
def shop(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], str]:
    """A project made by the lines of README.md, of a wheel: folder, environment, the line that serves."""
    home = tmp_path_factory.mktemp("home")
    install, init, serve = typed("Own one")
    assert install.count('".[dev]"') == 1
    install = install.replace('".[dev]"', f'-q "{wheel}[dev]"')
    (home / "clone").mkdir()
    lines = f"{install} && {init} && stanchion --version && pwd"
    environment = clean_environment() | {"PIP_NO_COMPILE": "1"}
    printed = run("/bin/sh", "-ec", lines, cwd=home / "clone", environment=environment)
    assert "shop is made, with its first API_KEY in .env. This environment has all that it needs." in printed
    said = [line.strip() for line in printed.splitlines() if line.startswith("    ")]
    assert said == ["cd ../shop", "stanchion dev"]
    assert init.endswith(f" && {said[0]}")
    assert serve.startswith(said[1])
    assert printed.splitlines()[-1] == str(home / "shop")
    return home / "shop", clean_environment(home / "shop/.venv"), said[1]


@pytest.mark.postgres
def test_its_tests_pass(shop: tuple[Path, dict[str, str], str]) -> None:
    folder, environment, _ = shop
    commands = [["pytest"], ["pytest", "-p", "no:cacheprovider", "--database", "postgresql"]]
    with ThreadPoolExecutor() as pool:  # at once: neither touches the other's database
        for printed in pool.map(lambda command: run(*command, cwd=folder, environment=environment), commands):
            passed = re.search(r"(\d+) passed in", printed)
            assert passed, printed
            assert int(passed[1]) >= 50
    assert not list(folder.glob("*.db"))


def test_it_serves(shop: tuple[Path, dict[str, str], str]) -> None:
    """`stanchion dev` as printed, on a free port; then the curl lines that it prints, pasted into a shell."""
    folder, environment, serve = shop
    with running(f"{serve} --port 0", cwd=folder, environment=environment) as server:
        assert server.stdout is not None
        printed = ""
        curls: list[str] = []
        while len(curls) < 2:
            line = server.stdout.readline()
            assert line, f"it ended: {printed}"
            printed += line
            curls += [line] if line.startswith("curl ") else []
        create, read = curls
        created = paste(create)
        assert (created["title"], created["status"]) == ("Buy milk", "active")
        assert paste(read) == [created]
    assert (folder / "shop.db").is_file()
    checked = run("stanchion", "migrate", "--check", cwd=folder, environment=environment)
    assert checked == "The schema is current, and the models agree with it.\n"
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


def test_it_depends_on_the_wheel(shop: tuple[Path, dict[str, str], str], wheel: Path) -> None:
    """What it says of itself gives the same Stanchion, and the gate: last, since it installs."""
    folder, environment, _ = shop
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["dependencies"] == [f"stanchion[postgres] @ {wheel.as_uri()}"]
    install = ["pip", "install", "-q", "--no-compile", "-e", ".[dev,check]"]
    run(*install, cwd=folder, environment=environment)
    run("pip", "check", cwd=folder, environment=environment)
    assert "stanchion check" in (folder / "README.md").read_text()
    page = run("stanchion", "check", "--fail-on", "never", cwd=folder, environment=environment)
    assert "0 proven, 0 suspected" in page
    # The pins agree with each other, and with the wheel.
    run("pip", "install", "-q", "--dry-run", "-r", "requirements.txt", cwd=folder, environment=environment)
