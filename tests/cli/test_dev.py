"""`stanchion dev`: the first start, the second, what it refuses, reload, and how it ends."""

import socket
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.serving import PATIENCE, TEMPLATE, free_port, paste

from stanchion.cli import server
from stanchion.cli.dev import _announcement

measured = pytest.mark.measured
"""For those that together run every line of the processes."""

BAD_LEVEL = "LOG_LEVEL is not valid: "

LOADED = """
import sys
import typer
from stanchion.cli import main, reload

def serve(app_dir, listener, announcement):
    typer.echo(announcement)
    print("LOADED", *{"fastapi", "sqlalchemy", "alembic", "structlog"} & set(sys.modules))

reload.serve = serve
main()
"""


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@measured
def test_the_first_start_and_the_second(folder: Path, dev: Any) -> None:
    running = dev("--app-dir", str(TEMPLATE))
    post, get = (line for line in running.out.splitlines() if line.startswith("curl "))
    assert paste(post)["title"] == "Buy milk"
    assert [todo["title"] for todo in paste(get)] == ["Buy milk"]
    assert running.get("/docs").status == 200
    assert running.get("/health/ready").status == 200
    assert "Wrote ENVIRONMENT, DATABASE_URL, API_KEY to .env.\n" in running.out
    assert "Migrated: stanchion 0004_jobs.\nMigrated: 0001_" in running.out
    assert f"Docs    {running.url}/docs\n" in running.out
    assert "\x1b" not in running.out
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert (folder / "shop.db").exists()
    written = (folder / ".env").read_text()
    assert running.stop() == 0

    command = [sys.executable, "-c", LOADED, "dev", "--port", "0", "--app-dir", str(TEMPLATE)]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert said.stdout.endswith("LOADED\n")
    assert said.stdout.startswith("Serving http://127.0.0.1:")
    assert (folder / ".env").read_text() == written


@measured
@pytest.mark.slow
def test_a_change_reloads(backend: Path, dev: Any) -> None:
    running = dev()
    assert b'"said":"first"' in running.get().read()
    source = (backend / "main.py").read_text()
    (backend / "main.py").write_text(source.replace("first", "second"))
    running.until(lambda: b'"said":"second"' in running.get().read())

    with (backend / ".env").open("a") as file:
        file.write("LOG_LEVEL=LOUD\n")
    running.until(lambda: BAD_LEVEL in running.err)
    assert running.process.poll() is None
    (backend / ".env").write_text((backend / ".env").read_text().replace("LOUD", "INFO"))
    assert b'"said":"second"' in running.get().read()
    assert "Traceback" not in running.err
    assert running.out.count("Serving") == 1
    assert running.stop() == 0


@pytest.mark.slow
def test_models_ahead_of_the_schema_are_told(backend: Path, dev: Any) -> None:
    (backend / "models.py").write_text(
        "from sqlmodel import Field, SQLModel\n\n\n"
        'class Person(SQLModel, table=True):\n    __tablename__ = "people"\n\n'
        "    id: int | None = Field(None, primary_key=True)\n    email: str | None = None\n"
        "    name: str | None = None\n"
    )
    running = dev()
    running.until(lambda: "stanchion migrate new" in running.err)
    assert (
        "- column people.name is in models.py, but not in the database\n"
        'The models and the schema differ: run `stanchion migrate new "what changed"`.\n'
    ) in running.err
    assert running.get().status == 200


@pytest.mark.slow
def test_an_installation_beside_it_is_no_change(backend: Path, dev: Any) -> None:
    package = backend / ".venv" / "lib" / "package.py"
    package.parent.mkdir(parents=True)
    (backend / ".venv" / "pyvenv.cfg").touch()
    running = dev()
    running.get()
    package.write_text("installed = True")
    (backend / "main.py").write_text((backend / "main.py").read_text().replace("first", "second"))
    running.until(lambda: b'"said":"second"' in running.get().read())
    assert "main.py" in running.err
    assert "package.py" not in running.err


@pytest.mark.slow
def test_it_ends_with_a_stream_open(backend: Path, dev: Any) -> None:
    running = dev()
    assert running.get("/stream").read(11) == b"data: tick\n"
    assert running.stop() == 0
    assert "timeout graceful shutdown exceeded" not in running.err
    assert "Traceback" not in running.err


@measured
def test_without_reload(backend: Path, dev: Any) -> None:
    running = dev("--no-reload", "--host", "0.0.0.0")
    assert running.url.startswith("http://127.0.0.1:")
    assert running.get().status == 200
    assert running.stop() == 0


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize(("host", "url"), [("::1", "http://[::1]:"), ("::", "http://[::1]:")])
def test_ipv6(folder: Path, host: str, url: str) -> None:
    with server.listen(host, 0, command="dev") as listener:
        assert listener.family is socket.AF_INET6
        base = server.base_url(host, listener)
    assert base.startswith(url)
    assert f"\ncurl '{base}/api/todos' -H 'X-API-Key: st_key'\n" in _announcement(base, "st_key")


@measured
@pytest.mark.parametrize("option", [(), ("--no-reload",)])
def test_settings_that_are_refused(backend: Path, start: Any, option: tuple[str, ...]) -> None:
    running = start("dev", "--port", "0", *option, LOG_LEVEL="LOUD")
    assert running.process.wait(PATIENCE) == 1
    assert running.err.startswith(BAD_LEVEL)
    assert running.err.count("\n") == 1
    assert "Serving" not in running.out


def test_production_is_not_for_dev(backend: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    said = call("dev")
    assert (said.status, said.out) == (1, "")
    assert said.err == (
        "ENVIRONMENT is production: serve it with `stanchion run`, or set ENVIRONMENT=development.\n"
    )
    assert not (backend / ".env").exists()


@measured
def test_an_app_that_cannot_be_imported_waits_for_the_next_change(backend: Path, start: Any) -> None:
    source = (backend / "main.py").read_text()
    (backend / "main.py").write_text("import nowhere_at_all\n")
    port = free_port()
    running = start("dev", "--port", str(port))
    running.url = f"http://127.0.0.1:{port}"
    running.until(lambda: "No module named 'nowhere_at_all'" in running.err)
    assert "Serving" not in running.out

    saved_at = 0.0

    def served() -> bool:
        nonlocal saved_at
        if time.monotonic() - saved_at > 5:  # not once: it may have failed before the files were watched
            (backend / "main.py").write_text(source)
            saved_at = time.monotonic()
        return "Serving" in running.out

    running.until(served)
    assert running.get().status == 200
    assert running.out.count("Serving") == 1
    assert running.stop() == 0


def test_a_taken_port(backend: Path, call: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = call("dev", "--port", str(port))
    assert (said.status, said.out) == (1, "")
    assert said.err == f"Port {port} is taken: try `stanchion dev --port {port + 1}`.\n"


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("no.host.invalid", "HOST 'no.host.invalid' is no address: try `stanchion dev --host 127.0.0.1`.\n"),
        (
            "192.0.2.1",
            "192.0.2.1 is no address of this machine (Cannot assign requested address): try `stanchion ",
        ),
    ],
)
def test_an_address_that_is_not_this_machines(backend: Path, call: Any, host: str, sentence: str) -> None:
    said = call("dev", "--host", host, "--port", "0")
    assert said.status == 1
    assert said.err.startswith(sentence)


def test_a_schema_that_is_ahead(backend: Path, call: Any) -> None:
    (backend / ".env").write_text("DATABASE_URL=sqlite:///./a.db\n")
    assert call("migrate").status == 0
    with sqlite3.connect("a.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0007'")
    connection.close()
    said = call("dev", "--port", "0")
    assert said.status == 1
    assert said.err.startswith(
        "The database's schema is ahead: it has revision 0007, unknown to this code; use "
    )
    assert said.err.count("\n") == 1


def test_a_broken_env_file(backend: Path, call: Any) -> None:
    (backend / ".env").write_text("A=1\nwhat is this\n")
    said = call("dev")
    assert (said.status, said.err) == (
        1,
        ".env, line 2 cannot be read: write NAME=value, with every quote closed.\n",
    )
    (backend / ".env").write_text("PORT=abc\n")
    said = call("dev")
    assert said.status == 1
    assert said.err.startswith("PORT is not valid: 'abc' is no number from 0 to 65535;")


def test_a_folder_without_a_backend(folder: Path, call: Any) -> None:
    said = call("dev")
    assert said.status == 1
    assert (
        said.err == f"There is no main.py in {folder}: go where your backend is, or name it with --app-dir.\n"
    )
    assert not (folder / ".env").exists()


def test_a_bug_is_not_hidden(backend: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stanchion.cli.dev.Environment", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call("dev")
