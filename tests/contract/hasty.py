"""The template, with a heartbeat after a fifth of a second where FastAPI waits for fifteen."""

import sys
from pathlib import Path

from fastapi import routing

import stanchion

routing._PING_INTERVAL = 0.2
sys.path.insert(0, str(Path(stanchion.__file__).parent / "template"))

from main import app  # noqa: E402 (its folder has only now become known)

__all__ = ["app"]
