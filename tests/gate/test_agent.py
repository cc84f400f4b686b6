"""The app in its process: what it may not do, why it does not run, and that the project stays as it is."""

import hashlib
import os
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stanchion.gate import Finding, Kind, Line, Options, Project, Report, Rule, Severity, Verdict, check
from stanchion.gate.agent import guard
from stanchion.gate.evidence import seen
from stanchion.gate.model import NotChecked
from stanchion.gate.process import Agent, AgentError
from stanchion.gate.subject import Subject

pytestmark = pytest.mark.measured


def write(root: Path, **files: str) -> Project:
    for name, text in files.items():
        (root / f"{name}.py").write_text(text)
    return Project.find(root, entry="main:app")


def look(subject: Subject) -> Iterable[Finding]:
    """Ask every GET, and tell what it answered."""
    running = subject.running
    for operation in subject.document.operations:
        exchange = running.ask(operation)
        if operation.method == "GET":
            yield Finding(message=f"{exchange.status}", verdict=Verdict.proven, evidence=exchange.summary)


def crash(subject: Subject) -> Iterable[Finding]:
    raise KeyError(subject.app.entry)


def has_app(subject: Subject) -> Iterable[Finding]:
    assert subject.app.entry == "main:app"
    return ()


LIVE = Rule("X01", "It runs", Severity.information, Kind.live, Line.docs, look, "")
BROKEN = Rule("X02", "It fails", Severity.information, Kind.static, Line.docs, crash, "")
STATIC = Rule("X03", "It has an app", Severity.information, Kind.static, Line.docs, has_app, "")


def reason(report: Report) -> str:
    """Return why the rule could not run, having left no copy behind."""
    (result,) = report.results
    assert result.applies
    assert not result.verified
    assert not result.findings
    return result.reason


@pytest.mark.slow
def test_an_app_that_cannot_be_imported(tmp_path: Path) -> None:
    project = write(
        tmp_path, main="import shop\n\napp = shop.app\n", shop='\n\nimport os\nos.environ["NO_SUCH"]\n'
    )
    report = check(project, rules=[LIVE])
    assert reason(report) == "the app cannot be imported: KeyError: 'NO_SUCH' (shop.py, line 4)"
    assert report.error == "cannot be imported: KeyError: 'NO_SUCH' (shop.py, line 4)"
    assert (report.verified, report.target) == (0.0, str(tmp_path))


@pytest.mark.slow
def test_an_app_that_exits_the_process_at_import(tmp_path: Path) -> None:
    text = 'import os, sys\nprint("the licence is missing", file=sys.stderr, flush=True)\nos._exit(3)\n'
    assert reason(check(write(tmp_path, main=text), rules=[STATIC])) == (
        "the app cannot be imported: the app ended its process while it was asked to load: "
        "the licence is missing\n"
    )


@pytest.mark.slow
def test_the_conversation(tmp_path: Path) -> None:
    """One process for what is asked of it apart from a whole check."""
    project = write(
        tmp_path,
        main="import fastapi\n\nnumber = 1\n\n\ndef shop():\n    return fastapi.FastAPI(openapi_url=None)\n",
        leaves="import sys\n\nprint('out')\nsys.exit('no key')\n",
        ends="import sys\n\nassert sys.argv[1:] == ['now']\nsys.exit(0)\n",
        fails="raise SystemExit(3)\n",
    )
    with Agent(
        project.python, directory=tmp_path, environment={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as agent:

        def load(entry: str) -> dict[str, Any]:
            found: dict[str, Any] = agent.ask("load", entry=entry, app_dir=str(tmp_path))
            return found

        agent.ask("guard", root=str(tmp_path), allowed=[])
        assert load("main:app")["error"] == "there is no app in main"
        assert load("main:number")["error"] == "main:number is no FastAPI app, but int"
        assert load("leaves:app")["error"] == "SystemExit: no key (leaves.py, line 4)"
        assert load("missing")["error"] == "ModuleNotFoundError: No module named 'missing'"
        loaded = load("main:shop")
        assert (loaded["error"], loaded["file"], loaded["document"]) == ("", "main.py", None)
        assert agent.ask("run_module", name="ends", arguments=["now"]) == "done"
        with pytest.raises(AgentError, match=r"^RuntimeError: fails now ended with 3$"):
            agent.ask("run_module", name="fails", arguments=["now"])
        with pytest.raises(AgentError, match=r"^KeyError: 'no such command'$"):
            agent.ask("no such command")
        assert agent.printed == "out\n"
        assert agent.ask("refused") == []


@pytest.mark.slow
def test_a_connection_to_another_host_is_refused(tmp_path: Path) -> None:
    text = """
import socket

from fastapi import FastAPI

app = FastAPI()


@app.get("/rates")
def rates() -> str:
    with socket.create_connection(("192.0.2.1", 443), timeout=5):
        return "connected"
"""
    said = reason(check(write(tmp_path, main=text), rules=[LIVE]))
    assert said.startswith("the app's connection to 192.0.2.1:443 was refused (main.py, line 11): ")
    assert said.endswith("allow it with --allow HOST:PORT if it is there to be written to")


@pytest.mark.slow
def test_what_the_app_starts_ends_with_it(tmp_path: Path) -> None:
    text = """
import subprocess
import sys

from fastapi import FastAPI

app = FastAPI()
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


@app.get("/child")
def read_child() -> int:
    return child.pid
"""

    def ask(subject: Subject) -> Iterable[Finding]:
        (operation,) = subject.document.operations
        yield Finding(message=str(subject.running.ask(operation).json), verdict=Verdict.proven)

    (result,) = check(write(tmp_path, main=text), rules=[replace(LIVE, check=ask)]).results
    process = Path(f"/proc/{result.findings[0].message}")
    for _ in range(200):  # a signal takes its time to arrive
        if not process.exists() or "State:\tZ" in (process / "status").read_text():
            return
        time.sleep(0.05)
    pytest.fail("it goes on")


@pytest.mark.slow
def test_what_needs_a_refused_connection_proves_nothing(tmp_path: Path) -> None:
    """The rest of the app is judged all the same."""
    text = """
import socket

from fastapi import FastAPI

app = FastAPI()


@app.get("/rates")
def rates() -> str:
    with socket.create_connection(("192.0.2.1", 443), timeout=5):
        return "connected"


@app.get("/broken")
def broken() -> str:
    raise RuntimeError("broken")
"""

    def failing(subject: Subject) -> Iterable[Finding]:
        for operation in subject.document.operations:
            exchange = subject.running.ask(operation)
            assert exchange.status == 500
            assert "x-stanchion-kept" not in exchange.response_headers
            yield seen(subject, operation, exchange, message="It fails.", advice="Mend it.")

    report = check(write(tmp_path, main=text), rules=[replace(LIVE, check=failing)])
    rates, broken = report.results[0].findings
    assert (rates.verdict, broken.verdict) == (Verdict.suspected, Verdict.proven)
    assert rates.evidence.endswith("\nthe gate kept the app from 192.0.2.1:443 (see --allow)")
    (note,) = report.notes
    assert note.startswith("the app's connection to 192.0.2.1:443 was refused (main.py, line 11): ")
    assert note.endswith("; what GET /rates answers without it proves nothing")


@pytest.mark.slow
def test_a_database_outside_the_copy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    outside = tmp_path / "other.db"
    sqlite3.connect(outside).close()
    before = outside.read_bytes()
    text = f"""
import sqlite3
from contextlib import asynccontextmanager

from fastapi import FastAPI


@asynccontextmanager
async def lifespan(_):
    sqlite3.connect("inside.db").close()
    sqlite3.connect(":memory:").close()
    connection = sqlite3.connect("file:{outside}?mode=rwc", uri=True)
    connection.execute("CREATE TABLE a (b)")
    yield


app = FastAPI(lifespan=lifespan)
"""
    said = reason(check(write(tmp_path / "shop", main=text), rules=[LIVE]))
    assert said.startswith(f"the app's database to {outside} was refused (main.py, line 12): ")
    assert outside.read_bytes() == before
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["main.py"]


@pytest.mark.slow
def test_what_is_allowed_passes(tmp_path: Path) -> None:
    """By its address and by its name; a name that is not allowed, and a socket in the file system, do not."""
    text = """
import os
import socket

from fastapi import FastAPI

app = FastAPI()


@app.get("/peer")
def peer() -> list[str]:
    port = int(os.environ["PEER"])
    found = []
    for host in ("127.0.0.1", "localhost"):
        with socket.create_connection((host, port), timeout=5) as connection:
            found.append(str(connection.getpeername()[1] == port))
    return found


@app.post("/others")
def others() -> list[str]:
    found = []
    for family, address in ((socket.AF_INET, ("127.0.0.1", 9)), (socket.AF_UNIX, "/tmp/no-such-socket")):
        try:
            with socket.socket(family) as connection:
                connection.connect(address)
        except OSError as exc:
            found.append(str(exc))
    try:
        socket.getaddrinfo("db.example.com", 5432)
    except OSError as exc:
        found.append(str(exc))
    return found
"""
    answers: list[Any] = []

    def ask(subject: Subject) -> Iterable[Finding]:
        answers.extend(subject.running.ask(operation).json for operation in subject.document.operations)
        return ()

    rule = Rule("X04", "It is asked", Severity.information, Kind.live, Line.docs, ask, "")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        options = Options(allowed=(f"localhost:{port}", "no number:x"), environment=(("PEER", str(port)),))
        report = check(write(tmp_path, main=text), rules=[rule], options=options)
    assert report.results[0].reason == ""
    refuses = "stanchion check refuses this connection while it tests: "
    targets = ("127.0.0.1:9", "/tmp/no-such-socket", "db.example.com:5432")
    assert answers == [["True", "True"], [f"{refuses}{target}" for target in targets]]


@pytest.mark.slow
def test_a_lifespan_that_fails(tmp_path: Path) -> None:
    text = """
from contextlib import asynccontextmanager

from fastapi import FastAPI


@asynccontextmanager
async def lifespan(_):
    raise ValueError("no queue")
    yield


app = FastAPI(lifespan=lifespan)
"""
    report = check(write(tmp_path, main=text), rules=[STATIC, LIVE, LIVE, BROKEN])
    fine, first, second, broken = report.results
    assert fine.verified
    assert first.reason == "the app does not start: ValueError: no queue (main.py, line 9)"
    assert report.error == first.reason.removeprefix("the app ")
    assert second.reason == first.reason
    assert broken.reason == "the rule failed (KeyError: 'main:app'): please report it"
    assert report.verified == 0.25


DATABASE = """
import os

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from sqlalchemy import create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_engine(os.environ["DATABASE"])


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "things"
    id: Mapped[int] = mapped_column(primary_key=True)


app = FastAPI()


@app.get("/things")
def count(request: Request) -> PlainTextResponse:
    with engine.begin() as connection:
        connection.execute(Thing.__table__.insert())
        number = connection.scalar(text("SELECT count(*) FROM things"))
    return PlainTextResponse(f"{number} {'x-stanchion-check' in request.headers} {os.environ['COLOUR']}")
"""


def listing(folder: Path) -> dict[str, str]:
    """Return every path below, with a digest of what is in it and when that was written."""
    return {
        path.relative_to(folder).as_posix(): (
            f"{path.stat().st_mtime_ns} {hashlib.sha256(path.read_bytes()).hexdigest()}"
            if path.is_file()
            else ""
        )
        for path in folder.rglob("*")
    }


@pytest.mark.slow
def test_nothing_is_written_into_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables are made in the copy, the variables come from .env, and the copy is gone."""
    project, temporary = tmp_path / "shop", tmp_path / "temporary"
    for folder in (project / "data", temporary):
        folder.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(project)
    monkeypatch.setenv("DATABASE", "sqlite:///data/shop.db")
    sqlite3.connect(project / "data" / "shop.db").close()
    (project / ".env").write_text("COLOUR=red\n")
    found = write(project, main=f"from dotenv import load_dotenv\n\nload_dotenv()\n{DATABASE}")
    before = listing(project)
    report = check(found, rules=[LIVE], progress=lambda one: None)
    assert listing(project) == before
    assert list(temporary.iterdir()) == []
    ((result,), notes) = report.results, report.notes
    assert notes == ("made the tables things: nothing else had",)
    assert result.reason == ""
    (one,) = result.findings
    # It was asked once before any rule did: the count goes on in the copy.
    assert one.evidence == "GET /things\n200 2 False red"
    assert report.seconds > 0


@pytest.mark.slow
def test_migrations_are_run_and_an_async_engine_gets_its_tables(tmp_path: Path) -> None:
    text = DATABASE.replace("import create_engine, text", "import text").replace(
        "engine = create_engine(",
        "from sqlalchemy.ext.asyncio import create_async_engine\nengine = create_async_engine(",
    )
    text = text.replace("def count", "async def count").replace("with engine", "async with engine")
    text = text.replace("connection.execute(", "await connection.execute(").replace(
        "connection.scalar(", "await connection.scalar("
    )
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/missing\n")
    variables = (("DATABASE", "sqlite+aiosqlite:///shop.db"), ("COLOUR", "blue"))
    report = check(write(tmp_path, main=text), rules=[LIVE], options=Options(environment=variables))
    first, second = report.notes
    assert first.startswith("`python -m alembic upgrade` failed in the copy: ")
    assert second == "made the tables things: nothing else had"
    (one,) = report.results[0].findings
    assert one.evidence == "GET /things\n200 2 False blue"


def test_an_interpreter_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("app = make()\n")
    python = str(tmp_path / "no" / "python")
    project = Project(tmp_path, "main:app", tmp_path, python)
    why = f"the app cannot be imported: {python} cannot be started (No such file or directory)"
    assert reason(check(project, rules=[STATIC])) == why


@pytest.mark.slow
def test_what_reads_the_source_alone_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("app = make()\n")
    project = Project(tmp_path, "main:app", tmp_path, str(tmp_path / "no" / "python"))

    def read(subject: Subject) -> Iterable[Finding]:
        assert [module.path for module in subject.code] == ["main.py"]
        return ()

    report = check(project, rules=[replace(STATIC, check=read)])
    assert (report.verified, report.error) == (1.0, "")


def test_not_checked_needs_no_process() -> None:
    with pytest.raises(NotChecked):
        list(look(Subject()))


def test_what_the_guard_lets_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, and without its hook, which nothing could take off again; coverage sees no hook."""
    state: dict[str, Any] = {
        "root": str(tmp_path),
        "allowed": frozenset({"db:1", "10.0.0.1:1"}),
        "refused": [],
        "effects": None,
        "told": None,
    }
    monkeypatch.setattr(guard, "_state", state)
    hook = guard._audit
    for host in (None, "", "localhost", b"127.0.0.1", "::1", "db"):
        hook("socket.getaddrinfo", (host, 1))
    hook("socket.connect", (None, ("10.0.0.1", 1)))
    for database in (
        tmp_path / "a.db",
        "",
        ":memory:",
        "file::memory:?cache=shared",
        f"file:{tmp_path}/a.db",
        5,
    ):
        hook("sqlite3.connect", (database,))
    hook("open", ("/etc/passwd",))
    assert guard.refused() == []
    with pytest.raises(socket.gaierror, match="refuses this connection while it tests: other:1"):
        hook("socket.getaddrinfo", ("other", 1))
    for address in (("10.0.0.1", 2), "/run/db", b"/run/db"):
        with pytest.raises(ConnectionRefusedError):
            hook("socket.connect", (None, address))
    with pytest.raises(sqlite3.OperationalError):
        hook("sqlite3.connect", (str(tmp_path.parent / "a.db"),))
    targets = ["other:1", "10.0.0.1:2", "/run/db", str(tmp_path.parent / "a.db")]
    assert [one["target"] for one in guard.refused()] == targets
    assert guard.refused() == []
    effects: list[dict[str, Any]] = []
    guard.watch(effects)
    hook("subprocess.Popen", ("ls",))
    assert effects == []  # it was not the project that did it
    monkeypatch.setitem(state, "root", str(Path(__file__).parent))
    hook("subprocess.Popen", ("ls",))
    (one,) = effects
    assert (one["does"], one["file"], one["function"]) == (
        "starts a process",
        "test_agent.py",
        "test_what_the_guard_lets_pass",
    )
