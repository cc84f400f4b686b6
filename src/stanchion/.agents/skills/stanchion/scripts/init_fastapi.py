#!/usr/bin/env python3
"""Make a new backend: `init_fastapi.py NAME [--database sqlite|postgresql]`.

Hands over to `stanchion init`, of this Python's environment or else of PATH.
"""

import shutil
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run `stanchion init` with the arguments of this script, and return its exit status."""
    beside = str(Path(sys.executable).parent)
    stanchion = shutil.which("stanchion", path=beside) or shutil.which("stanchion")
    if stanchion is None:
        sys.stderr.write("stanchion is not installed here: run `python3 -m pip install stanchion`.\n")
        return 1
    return subprocess.run([stanchion, "init", *sys.argv[1:]], check=False).returncode  # noqa: S603 - one's own


if __name__ == "__main__":
    sys.exit(main())
