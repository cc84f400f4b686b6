"""The template's schema against its models. Its own tests run in tests/scaffold, in a project made of it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stanchion import Settings
from stanchion.database import migrations

TEMPLATE = Path(__file__).parents[2] / "src" / "stanchion" / "template"


@pytest.mark.slow
def test_its_revisions_make_its_models(database_url: str) -> None:
    # In a process of its own: `models` is a name that other tests import too.
    environment = {**os.environ, "DATABASE_URL": database_url}
    command = [sys.executable, "-m", "stanchion.cli", "migrate", "--app-dir", str(TEMPLATE)]
    assert migrations.check(database_url, TEMPLATE)[0].endswith("has not run")
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
    done = subprocess.run([*command, "--check"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_example_lists_every_setting() -> None:
    """`.env.example` against the library's settings and the template's own."""
    listed = re.findall(r"^#?([A-Z_]+)=", (TEMPLATE / ".env.example").read_text(), re.MULTILINE)
    own = re.findall(r"^    ([A-Z_]+):", (TEMPLATE / "settings.py").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted([*Settings.model_fields, *own])


ODD = {
    "ENVIRONMENT": "production",
    "DATABASE_URL": "sqlite:///./the-developers-own.db",
    "DATABASE_POOL_SIZE": "1",
    "API_KEY": "the-developers-own-0123456789",
    "API_KEY_CACHE": "59",
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz",
    "CORS_ORIGINS": "https://app.example.com",
    "CORS_HEADERS": "X-Odd",
    "CORS_CREDENTIALS": "false",
    "HOST": "0.0.0.0",
    "PORT": "7",
    "MAX_BODY_SIZE": "1",
    "SIGN_IN_LIMIT": "1/hour",
    "SIGN_UP_LIMIT": "1/hour",
    "SIGN_IN_STORAGE": "async+redis://nowhere",
    "IDEMPOTENCY_HOURS": "1",
    "JOBS_WORKER": "true",
    "JOBS_CONCURRENCY": "1",
    "JOBS_GRACE": "0",
    "LOG_LEVEL": "ERROR",
    "LOG_FORMAT": "console",
    "MAX_STORED_BYTES": "200",
    "STREAM_INTERVAL": "9",
}
"""A value of each setting that no test counts on."""

SEEN = """
from settings import settings


def test_seen() -> None:
    print("SEEN", settings.model_dump_json(exclude={"DATABASE_URL", "API_KEY"}))
    print("MADE", settings.DATABASE_URL, settings.API_KEY.get_secret_value())
"""


def seen(app: Path, **shell: str) -> tuple[object, str]:
    """Return the settings that a test of this backend sees: the constant ones, and those made for the run."""
    without = {name: value for name, value in os.environ.items() if name not in ODD}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-qs", "-p", "no:cacheprovider", "tests/test_seen.py"],
        cwd=app,
        env={**without, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **shell},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"SEEN (.*)\nMADE (.*)", done.stdout)
    assert found, done.stdout
    return json.loads(found[1]), found[2]


def test_its_tests_have_settings_of_their_own(tmp_path: Path) -> None:
    app = shutil.copytree(TEMPLATE, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    (app / "tests/test_seen.py").write_text(SEEN)
    own, _ = seen(app)
    assert isinstance(own, dict)
    assert own.keys() | {"DATABASE_URL", "API_KEY"} == ODD.keys()
    assert not [name for name, value in own.items() if str(value) == ODD[name]]
    (app / ".env").write_text("".join(f"{name}={value}\n" for name, value in ODD.items()))
    for shell in ({}, ODD):
        constant, made = seen(app, **shell)
        assert constant == own
        assert "the-developers-own" not in made
