"""The agent's conversation: a JSON object a line on standard input, and one back for each."""

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, TextIO

from . import (
    drivers,
    engines,
    expiring,
    first,
    guard,
    heap,
    loading,
    overriding,
    preparing,
    recording,
    serving,
)


def main() -> None:
    """Answer until standard input ends. What the app prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    threading.Thread(target=_conversation, args=(answers,), daemon=True).start()
    first.work()


def _conversation(answers: TextIO) -> None:
    try:
        _converse(answers)
    finally:  # also where nobody listens any more
        serving.stop()
        first.end()


def _converse(answers: TextIO) -> None:
    commands: dict[str, Callable[..., Any]] = {
        "guard": _guard,
        "refused": guard.refused,
        "refused_files": guard.refused_files,
        "load": loading.load,
        "run_module": preparing.run_module,
        "create_tables": preparing.create_tables,
        "expire": expiring.expire,
        "unexpire": expiring.unexpire,
        "serve": serving.serve,
        "records": recording.records,
        "ended": recording.ended,
        "pool": recording.pool,
        "heap": heap.counts,
        "override": overriding.override,
        "restore": overriding.restore,
        "engine_urls": engines.urls,
    }
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            command = partial(commands[asked["command"]], **asked["arguments"])
            own = asked["command"] in ("load", "run_module")
            answer = {"result": first.done(first.do(command)) if own else command()}
        except BaseException as exc:  # also SystemExit: the app is not to end the conversation
            answer = {"error": f"{type(exc).__name__}: {exc}", "traceback": traceback.format_exc()}
        answers.write(json.dumps(answer, default=str) + "\n")
        answers.flush()


def _guard(root: str, allowed: list[str]) -> None:
    guard.install(root, allowed)
    drivers.install()


if __name__ == "__main__":
    main()
