"""For tests with a server of their own: a port, the template, and the lines that it prints, pasted."""

import json
import os
import random
import shlex
import socket
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import stanchion
from stanchion.settings import Settings

TEMPLATE = Path(stanchion.__file__).parent / "template"
PATIENCE = 60.0
"""Seconds until a test gives up on another process; none should take a tenth of it."""


def free_port() -> int:
    """Return a port on which nobody listens.

    One below those that the system gives to whoever asks for any: it stays free until it is used.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def environment(**settings: str) -> dict[str, str]:
    """Return the environment of this process with these settings, and no others of a backend."""
    return {name: value for name, value in os.environ.items() if name not in Settings.model_fields} | settings


def paste(line: str) -> Any:
    """Do what a line with curl says, and return the JSON of the answer. A machine need not have curl."""
    parser = ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-X")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d", type=str.encode)
    command, *words = shlex.split(line)
    assert command == "curl"
    said = parser.parse_args(words)
    headers = dict(header.split(": ", 1) for header in said.H)
    method = said.X or ("GET" if said.d is None else "POST")
    with urlopen(Request(said.url, said.d, headers, method=method), timeout=PATIENCE) as response:
        return json.load(response)
