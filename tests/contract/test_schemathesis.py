"""Generated requests against the template over HTTP, by the OpenAPI document that it serves."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.backend import Backend

HERE = Path(__file__).parent
MANY = "STANCHION_CHAOS" in os.environ
"""scripts/chaos.sh asks for many thousand cases."""


@pytest.mark.slow
@pytest.mark.timeout(3600 if MANY else 480)
def test_no_failure(backend: Backend, tmp_path: Path) -> None:
    with backend.client() as caller:
        account = {"email": "schemathesis@example.com", "name": "S", "password": "correct horse"}
        user_id = caller.post("/api/users", json=account).raise_for_status().json()["id"]
    # Its coverage phase is the same requests each time, two thirds of all: on PostgreSQL for chaos.sh.
    phases = ["Examples", "Coverage", "Fuzzing", "Stateful"]
    if backend.database_url.startswith("postgresql") and not MANY:
        phases.remove("Coverage")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{backend.url}/openapi.json", "--header", f"X-API-Key: {backend.key}", "--no-color"),
        *("--checks", "all", "--phases", ",".join(phases).lower()),
        *("--max-examples", "300" if MANY else "3", "--request-timeout", "20"),
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE),
        "SCHEMATHESIS_HOOKS": "hooks",
        "SCHEMATHESIS_USER_ID": str(user_id),
    }
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr  # with the seed and a curl line for each failure
    cases = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert cases, done.stdout
    assert int(cases[1]) > (5_000 if MANY else 40 * len(phases))
    for phase in phases:
        assert re.search(rf"✅ {phase}", done.stdout), done.stdout
    answers = [line["status"] for line in backend.log() if line["event"] == "request"]
    assert len(answers) > int(cases[2])
    assert max(answers) < 500
