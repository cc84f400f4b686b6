"""The template's schema against its models. Its own tests run in tests/scaffold, in a project made of it."""

import os
import re
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
