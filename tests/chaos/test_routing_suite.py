"""FastAPI's own tests, each of which ends with compiled routes as it ends without."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts/suite.py"


def test_all_of_fastapis_own_tests() -> None:
    done = subprocess.run([sys.executable, SCRIPT], check=False)
    assert done.returncode == 0
