"""`stanchion run`: it refuses what is not ready, and serves what is, with one worker or several."""

import json
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.serving import free_port

pytestmark = pytest.mark.slow

KEY = "st_ab2cd3ef_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
READY = {"DATABASE_URL": "sqlite:///./a.db", "API_KEY": KEY}


@pytest.fixture
def ready(backend: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A backend with settings and a current schema."""
    for name, value in READY.items():
        monkeypatch.setenv(name, value)
    assert call("migrate").status == 0
    return backend


def serve(start: Any, *options: str) -> Any:
    port = free_port()
    server = start("run", "--port", str(port), *options)
    server.url = f"http://127.0.0.1:{port}"
    return server


@pytest.mark.measured
@pytest.mark.parametrize(("workers", "how"), [("1", signal.SIGTERM), ("2", signal.SIGINT)])
def test_it_serves_until_it_is_told_to_end(
    ready: Path, start: Any, workers: str, how: signal.Signals
) -> None:
    server = serve(start, "--workers", workers)
    reply = server.get("/", {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https"})
    assert "Date" in reply.headers
    assert "Server" not in reply.headers
    said = json.load(reply)
    assert said == {"said": "first", "client": "127.0.0.1", "scheme": "http"}
    assert server.get("/stream").read(11) == b"data: tick\n"
    assert server.stop(how) in (0, -how)
    assert server.out == ""
    assert f'"url": "{server.url}", "workers": {workers}, "event": "serving"' in server.err
    assert "not_production" not in server.err
    assert "timeout graceful shutdown exceeded" not in server.err
    assert "Traceback" not in server.err


def test_development_is_said_aloud(ready: Path, start: Any) -> None:
    server = start("run", "--port", "0", ENVIRONMENT="development", LOG_FORMAT="json")
    server.until(lambda: '"environment": "development"' in server.err and "not_production" in server.err)


def test_behind_a_proxy(ready: Path, start: Any) -> None:
    server = serve(start, "--proxy-headers", "--forwarded-allow-ips", "127.0.0.1")
    said = json.load(server.get("/", {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https"}))
    assert (said["client"], said["scheme"]) == ("9.9.9.9", "https")
    assert server.stop() == 0


@pytest.mark.measured
@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_app_that_fails_ends_it(ready: Path, start: Any, workers: str) -> None:
    (ready / "main.py").write_text("import nowhere_at_all\n")
    server = start("run", "--port", "0", "--workers", workers)
    assert server.process.wait(60) == 1
    assert "No module named 'nowhere_at_all'" in server.err


def test_a_schema_that_is_not_current(backend: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in READY.items():
        monkeypatch.setenv(name, value)
    said = call("run", "--port", "0")
    assert (said.status, said.err) == (1, "The database's schema is empty: run `stanchion migrate`.\n")
    assert not (backend / "a.db").exists()
    assert not (backend / ".env").exists()


def test_settings_that_are_wrong(ready: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (ready / "settings.py").write_text(
        "import stanchion\nclass Settings(stanchion.Settings):\n    SHOP: str\nsettings = Settings.load()\n"
    )
    said = call("run", "--port", "0")
    assert (said.status, said.err) == (1, "SHOP is not set: set it in the environment or in .env.\n")
    monkeypatch.setenv("API_KEY", "changeme-changeme")
    said = call("run", "--port", "0")
    assert said.status == 1
    assert said.err.startswith("API_KEY is ")
    assert said.err.count("\n") == 1


def test_a_taken_port(ready: Path, call: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = call("run", "--port", str(port))
    assert (said.status, said.err) == (1, f"Port {port} is taken: try `stanchion run --port {port + 1}`.\n")


def test_addresses_to_believe_without_believing(ready: Path, call: Any) -> None:
    said = call("run", "--forwarded-allow-ips", "*")
    assert said.status == 2
    assert "--forwarded-allow-ips: it means nothing without --proxy-headers." in said.err
