"""`stanchion worker`, `stanchion jobs`, and the worker inside `dev` and `run`."""

import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.serving import free_port

pytestmark = pytest.mark.measured

MAIN = """
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from fastapi import FastAPI

from settings import settings
from stanchion import Database, install
from stanchion.jobs import Jobs

database = Database(settings.DATABASE_URL)
jobs = Jobs(database)
opened = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    opened.append("opened")
    yield
    await database.close()


app = FastAPI(lifespan=lifespan)
install(app, settings, database, jobs=jobs)
other = FastAPI()


@jobs.job()
async def add(left: int, right: int) -> int:
    return left + right


@jobs.job(max_attempts=1)
async def fail() -> None:
    raise ValueError("not today")


@jobs.job()
async def look() -> list[str]:
    return opened


@jobs.job()
async def slow() -> None:
    await anyio.sleep(0.5)


@app.post("/add")
async def enqueue(left: int, right: int) -> int:
    async with database.transaction() as session:
        return await jobs.enqueue(session, add, left, right)
"""
INSERT = """
INSERT INTO stanchion_jobs
    (name, queue, arguments, status, priority, due_at, attempt, max_attempts, cancel_requested, created_at)
VALUES (?, ?, ?, 'queued', 0, '2026-01-01T00:00:00.000000Z', 0, 1, 0, '2026-01-01T00:00:00.000000Z')
"""


@pytest.fixture
def ready(backend: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A backend with jobs and a current schema."""
    monkeypatch.setenv("DATABASE_URL", "sqlite:///./a.db")
    monkeypatch.setenv("API_KEY", "st_ab2cd3ef_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG")
    (backend / "main.py").write_text(MAIN)
    assert call("migrate").status == 0
    return backend


def sql(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect("a.db", timeout=20)) as connection:
        found = connection.execute(statement, values).fetchall()
        connection.commit()
        return found


def put(name: str, queue: str = "default", **arguments: Any) -> None:
    sql(INSERT, name, queue, json.dumps(arguments))


def status(job_id: int) -> str:
    return str(sql("SELECT status FROM stanchion_jobs WHERE id = ?", job_id)[0][0])


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_runs_jobs_until_it_is_told_to_end(ready: Path, start: Any, how: signal.Signals) -> None:
    put("add", left=1, right=2)
    put("look")
    put("add", queue="mail", left=1, right=2)
    worker = start("worker", "--queue", "default", "--queue", "sms", "--concurrency", "2")
    worker.until(lambda: (status(1), status(2)) == ("done", "done"))
    put("slow")
    worker.until(lambda: status(4) == "running")
    assert worker.stop(how) == 0
    assert [status(number) for number in (1, 2, 3, 4)] == ["done", "done", "queued", "done"]
    assert sql("SELECT result FROM stanchion_jobs ORDER BY id") == [("3",), ('["opened"]',), (None,), (None,)]
    assert '"worker_stopped"' in worker.err
    assert "Traceback" not in worker.err


@pytest.mark.slow
def test_the_jobs_alone_by_their_name(ready: Path, start: Any) -> None:
    put("look")
    worker = start("worker", "main:jobs")
    worker.until(lambda: status(1) == "done")
    assert worker.stop() == 0
    assert sql("SELECT result FROM stanchion_jobs") == [("[]",)], "no app has started"


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(ready: Path, start: Any) -> None:
    (ready / "main.py").write_text(MAIN.replace("sleep(0.5)", "sleep(300)"))
    put("slow")
    worker = start("worker", JOBS_GRACE="300")
    worker.until(lambda: status(1) == "running")
    worker.process.send_signal(signal.SIGTERM)
    worker.process.send_signal(signal.SIGINT)
    assert worker.process.wait(20) == 1


@pytest.mark.slow
@pytest.mark.parametrize("command", [("dev",), ("run",), ("run", "--workers", "2")])
def test_the_servers_processes_run_jobs(ready: Path, start: Any, command: tuple[str, ...]) -> None:
    port = free_port()
    server = start(*command, "--port", str(port))
    server.url = f"http://127.0.0.1:{port}"
    assert server.get("/health").status == 200
    put("add", left=1, right=2)
    put("look")
    server.until(lambda: (status(1), status(2)) == ("done", "done"))
    assert sql("SELECT result FROM stanchion_jobs WHERE id = 2") == [('["opened"]',)]
    assert server.stop() == 0
    assert "Traceback" not in server.err


@pytest.mark.slow
def test_without_a_worker_jobs_wait(ready: Path, start: Any) -> None:
    port = free_port()
    server = start("run", "--no-worker", "--port", str(port), JOBS_WORKER="true")
    server.url = f"http://127.0.0.1:{port}"
    put("add", left=1, right=2)
    assert server.get("/health").status == 200
    assert server.stop() == 0
    assert "worker_started" not in server.err
    assert status(1) == "queued"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nothing:app", "There is no module nothing in "),
        ("main:nothing", "main has no nothing: "),
        ("main:other", "main:other has no jobs: "),
        ("main:database", "main:database has no jobs: "),
    ],
)
def test_what_has_no_jobs(ready: Path, call: Any, target: str, said: str) -> None:
    refused = call("worker", target)
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.splitlines()[-1].startswith(said)


def test_what_is_no_target(ready: Path, call: Any) -> None:
    assert "'main' is not like main:app." in call("worker", "main").err


def test_a_schema_that_is_not_current(backend: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///./a.db")
    monkeypatch.setenv("API_KEY", "st_ab2cd3ef_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG")
    refused = call("worker")
    assert (refused.status, refused.err) == (
        1,
        "The database's schema is empty: run `stanchion migrate`.\n",
    )


def test_list_show_cancel_and_retry(ready: Path, call: Any) -> None:
    assert call("jobs", "list").out == "No jobs.\n"
    put("add", left=1, right=2)
    put("fail", queue="mail")
    message, details = "not\x1b[2J today\nbut soon", {"line": 3}
    error = json.dumps(
        {"type": "ValueError", "message": message, "trace": "Traceback\n  line", "details": details}
    )
    sql(
        "UPDATE stanchion_jobs SET status = 'failed', attempt = 1, error = ?, done = 1, total = 3,"
        " message = 'm', unique_key = 'k', result = '[1]', finished_at = '2026-01-02T00:00:00.000000Z'"
        " WHERE id = 2",
        error,
    )
    assert call("jobs", "dead", "--queue", "default").out == "No dead letters.\n"
    heading, _, line = call("jobs", "dead").out.strip().splitlines()
    assert heading.split() == ["id", "job", "queue", "attempts", "failed", "error"]
    assert line.split() == [
        "2",
        "fail",
        "mail",
        "1",
        "2026-01-02",
        "00:00",
        "UTC",
        "ValueError:",
        "not�[2J",
        "today",
    ]
    listed = call("jobs", "list").out.strip().splitlines()[2:]
    assert [one.split() for one in listed] == [
        ["2", "fail", "failed", "1/1", "33", "%", "2026-01-01", "00:00", "UTC"],
        ["1", "add", "queued", "0/1", "2026-01-01", "00:00", "UTC"],
    ]
    assert len(call("jobs", "list", "--status", "queued", "--name", "add").out.strip().splitlines()) == 3
    shown = call("jobs", "show", "2").out
    assert "queue:      mail\n" in shown
    assert "finished:   2026-01-02 00:00 UTC\n" in shown
    assert (
        "arguments:  {}\nresult:     [1]\nerror:      ValueError: not�[2J today\n            but soon\n"
        in shown
    )
    assert '            but soon\ndetails:    {"line": 3}\n    Traceback\n      line\n' in shown
    assert "unique key: k\nmessage:    m\n" in shown
    assert "progress:   1/3\n" in shown
    assert call("jobs", "show", "3").err.startswith("There is no job 3: ")

    assert call("jobs", "retry", "2").out == "Queued again: 2.\n"
    assert call("jobs", "retry", "2").err.startswith("Job 2 is not there, or has neither failed nor")
    assert call("jobs", "cancel", "1", "2").out == "Cancelled: 1, 2.\n"
    assert call("jobs", "cancel", "1").err.startswith("Job 1 is not there, or is over")
    assert call("jobs", "retry", "1", "3").status == 1
    assert (status(1), status(2)) == ("cancelled", "cancelled"), "all of them, or none"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            {
                "type": "InvalidError",
                "code": "validation_failed",
                "message": "Nothing was imported: 2 lines are bad.",
                "details": {
                    "errors": [
                        {"loc": ["body", 3, "title"], "msg": "Too short", "type": "string_too_short"},
                        {"loc": ["body", 4], "msg": "No \x1b[2JJSON", "type": "json_invalid"},
                    ]
                },
            },
            "error:      validation_failed: Nothing was imported: 2 lines are bad.\n"
            "details:    body.3.title: Too short\n            body.4: No \ufffd[2JJSON\n",
        ),
        (
            {"type": "GoneError", "code": "gone", "message": "It is gone.", "details": {"reset": True}},
            'error:      gone: It is gone.\ndetails:    {"reset": true}\n',
        ),
        ({"type": "GiveUpError", "message": "No such file."}, "error:      GiveUpError: No such file.\n"),
    ],
)
def test_a_refusal_is_shown_without_its_traceback(
    ready: Path, call: Any, error: dict[str, Any], said: str
) -> None:
    put("fail")
    kept = json.dumps({"trace": "Traceback\n  line", "is_refusal": True, **error})
    sql("UPDATE stanchion_jobs SET status = 'failed', error = ?", kept)
    assert call("jobs", "show", "1").out.endswith(f"arguments:  {{}}\n{said}")
    assert call("jobs", "show", "1", "--trace").out.endswith(f"{said}    Traceback\n      line\n")
    assert said.splitlines()[0].removeprefix("error:").strip() in call("jobs", "dead").out


def test_a_list_of_jobs_fits_a_terminal(ready: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "send_the_newsletter_to_everybody_who_has_asked_for_it"
    put(name, queue="newsletters-of-the-week")
    sql(
        "UPDATE stanchion_jobs SET id = 123456, status = 'cancelled', attempt = 10, max_attempts = 10,"
        " done = 123456789, total = 987654321"
    )
    for variable, value in (
        ("TTY_COMPATIBLE", "1"),
        ("FORCE_COLOR", "1"),
        ("COLUMNS", "80"),
        ("TERM", "dumb"),
    ):
        monkeypatch.setenv(variable, value)
    lines = call("jobs", "list").out.rstrip().splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert lines[1].split()[0] == "id"
    first = next(line for line in lines if "123456" in line)
    assert first.split()[0] == "123456"
    assert first.split()[2:] == ["cancelled", "10/10", "12", "%", "2026-01-01", "00:00", "UTC"]
    rows = lines[lines.index(first) :]
    assert "".join(line[8 : first.index("cancelled")].strip() for line in rows) == name
