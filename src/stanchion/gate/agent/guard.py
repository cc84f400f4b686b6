"""What the app may not do while it is under test: reach other hosts, or files that are not its copy's."""

import os
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from typing import Any

_state: dict[str, Any] = {"allowed": frozenset(), "root": "", "refused": [], "effects": None, "told": None}
_WATCHED = {
    "socket.connect": "connects",
    "socket.bind": "binds a port",
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "sqlite3.connect": "opens a database",
}


def install(root: str, allowed: list[str]) -> None:
    """Refuse connections but those to `allowed` (host:port), and SQLite files outside `root`.

    A host that has a name is allowed by its addresses too: those are what most drivers connect to.
    An audit hook cannot be taken off again, by nobody: it ends with this process.
    """
    first = not _state["root"]
    _state.update(root=os.path.realpath(root), allowed=frozenset(allowed))
    addresses = {address for one in allowed for address in _addresses(one)}
    _state["allowed"] = frozenset(allowed) | addresses
    if first:
        sys.addaudithook(_audit)


def _addresses(allowed: str) -> set[str]:
    host, _, port = allowed.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return set()
    return {f"{one[4][0]}:{port}" for one in found}


def ask(target: str, port: int | None = None) -> None:
    """Refuse a connection of which no audit event tells. Raises ConnectionRefusedError."""
    name = target if port is None else f"{target}:{port}"
    if name not in _state["allowed"] and not (port and _addresses(name) & _state["allowed"]):
        _refuse("connection", name, ConnectionRefusedError)


def refused() -> list[dict[str, Any]]:
    """Return what was refused since it was last asked, once each."""
    found: list[dict[str, Any]] = _state["refused"]
    _state["refused"] = []
    return found


def tell(told: Callable[[str], None]) -> None:
    """Call this with the target of each refusal, in the thread and the context that wanted it."""
    _state["told"] = told


def watch(effects: "list[dict[str, Any]] | None") -> None:
    """Write what happens from now on to this list; None stops it."""
    _state["effects"] = effects


def place() -> dict[str, Any]:
    """Return the innermost line of the project on this thread's stack: file, line and function."""
    for frame in frames():
        if found := of_project(frame.f_code.co_filename):
            return {"file": found, "line": frame.f_lineno, "function": frame.f_code.co_name}
    return {"file": "", "line": 0, "function": ""}


def frames() -> Iterator[Any]:
    """Give the stack from the inside out, through the greenlets in which SQLAlchemy runs async drivers."""
    frame: Any = sys._getframe(2)
    module: Any = sys.modules.get("greenlet")
    current = module.getcurrent() if module else None
    while True:
        while frame is not None:
            yield frame
            frame = frame.f_back
        current = current.parent if current is not None else None
        if current is None:
            return
        frame = current.gr_frame


def of_project(filename: str) -> str:
    """Return the path within the project, or nothing for a file that is not its own."""
    if filename.startswith("<"):  # made at run time
        return ""
    path = os.path.realpath(filename)
    root = _state["root"] + os.sep
    if not root.strip(os.sep) or not path.startswith(root) or "site-packages" in path:
        return ""
    return path[len(root) :].replace(os.sep, "/")


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _WATCHED and event != "socket.getaddrinfo":
        return
    if event in _WATCHED and _state["effects"] is not None:
        where = place()
        if where["file"]:
            _state["effects"].append({"event": event, "does": _WATCHED[event], **where})
    if event == "socket.connect":
        _connect(arguments[1])
    elif event == "socket.getaddrinfo":
        _resolve(arguments[0], arguments[1])
    elif event == "sqlite3.connect":
        open_file(arguments[0])


def _connect(address: Any) -> None:
    if not isinstance(address, tuple):  # a socket in the file system
        name = os.fsdecode(address) if isinstance(address, str | bytes) else str(address)
    else:
        name = f"{address[0]}:{address[1]}"
    if name not in _state["allowed"]:
        _refuse("connection", name, ConnectionRefusedError)


def _resolve(host: Any, port: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"):  # noqa: S104 (no bind)
        return
    if not any(allowed.rpartition(":")[0] == name for allowed in _state["allowed"]):
        _refuse("connection", f"{name}:{port}", socket.gaierror)


def open_file(database: Any) -> None:
    """Refuse a database in a file outside the copy. Raises sqlite3.OperationalError."""
    name = os.fsdecode(database) if isinstance(database, str | bytes | os.PathLike) else ""
    if name.startswith("file:"):
        name = name[5:].partition("?")[0]
    if not name or name == ":memory:" or os.path.basename(name).startswith(".coverage."):  # noqa: PTH119 (no pathlib in a hook)
        return  # the last is where coverage.py writes when it measures this process
    path = os.path.realpath(name)
    if not path.startswith(_state["root"] + os.sep):
        _refuse("database", path, sqlite3.OperationalError)


def _refuse(what: str, target: str, error: type[Exception]) -> None:
    if _state["told"] is not None:
        _state["told"](target)
    found = {"what": what, "target": target, **place()}
    if found not in _state["refused"]:
        _state["refused"].append(found)
    raise error(f"stanchion check refuses this {what} while it tests: {target}")
