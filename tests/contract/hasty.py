"""The template, with a heartbeat after a fifth of a second where FastAPI waits for fifteen."""

import sys
from importlib import import_module
from pathlib import Path

from fastapi import routing

import stanchion

vars(routing).update(_PING_INTERVAL=0.2)
sys.path.insert(0, str(Path(stanchion.__file__).parent / "template"))
app = import_module("main").app
