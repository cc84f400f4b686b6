"""The template as a real server: uvicorn in a process of its own, on each database."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.serving import TEMPLATE, client, free_port, uvicorn

from stanchion.database import migrations
from stanchion.secret import new_key
from stanchion.testing import postgres


@dataclass
class Backend:
    """A running server: where it is, its service key, its database, and what it has logged."""

    url: str
    database_url: str
    directory: Path
    key: str = field(default_factory=new_key)

    @property
    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self.key}

    def client(self, headers: Mapping[str, str] | None = None) -> httpx2.Client:
        caller = client(self.url)
        caller.headers.update(headers or {})
        return caller

    def log(self) -> list[dict[str, Any]]:
        lines = (self.directory / "log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    @contextmanager
    def serving(
        self, app: str = "main:app", folder: Path = TEMPLATE, **own: str
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """Start the server; stop it at the end."""
        settings = {
            "DATABASE_URL": self.database_url,
            "ENVIRONMENT": "test",
            "API_KEY": self.key,
            "LOG_FORMAT": "json",
            "SIGN_IN_LIMIT": "100000/minute",
            "SIGN_UP_LIMIT": "100000/minute",
            "STREAM_INTERVAL": "0",
            "JOBS_WORKER": "true",
        }
        port, log = int(self.url.rpartition(":")[2]), self.directory / "log"
        with uvicorn(app, folder, port=port, log=log, **settings | own) as process:
            yield process


def make(directory: Path, database_url: str) -> Backend:
    """Return a backend on a free port, with its database migrated, not started."""
    migrations.upgrade(database_url, TEMPLATE)
    return Backend(f"http://127.0.0.1:{free_port()}", database_url, directory)


@pytest.fixture(scope="session", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """The running backend, once on each engine. At its end the log must hold no crash."""
    directory = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        url = f"sqlite:///{directory}/test.db"
    else:
        server: postgres.Cluster = request.getfixturevalue("postgres_server")
        url = server.create_database()
    made = make(directory, url)
    with made.serving():
        yield made
    assert not [line for line in made.log() if line.get("event") == "failed"]
    assert "Traceback" not in (directory / "log").read_text()
