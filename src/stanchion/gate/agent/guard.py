"""What the app may not do while it is under test: reach other hosts, or files that are not its copy's."""

import os
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator
from typing import Any

from . import files

_state: dict[str, Any] = {"allowed": frozenset(), "root": "", "refused": [], "effects": None, "told": None}
_WATCHED = {
    "socket.connect": "connects",
    "socket.bind": "binds a port",
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "sqlite3.connect": "opens a database",
}
_FILE = "file"
_MOST = 200
"""Refused files that are kept."""

_files: dict[str, Any] = {"done_without": None, "lacking": set()}
"""Which refused files the running app does without, and the paths that are not as it would have them."""


def install(root: str, allowed: list[str]) -> None:
    """Refuse connections but those to `allowed` (host:port), and to write outside `root`.

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


def started() -> None:
    """From now on a refused file is nothing that the app cannot do without: it is here."""
    of_files = [one for one in _state["refused"] if one["what"] == _FILE]
    _state["refused"] = [one for one in _state["refused"] if one["what"] != _FILE]
    _files["done_without"] = of_files


def refused_files() -> list[dict[str, Any]]:
    """Return the files that the running app does without since it was last asked, once each."""
    found: list[dict[str, Any]] = _files["done_without"] or []
    _files["done_without"] = []
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
    check = _CHECKS.get(event)
    if check is None and event not in _WATCHED:
        return
    if event in _WATCHED and _state["effects"] is not None:
        where = place()
        if where["file"]:
            _state["effects"].append({"event": event, "does": _WATCHED[event], **where})
    if check is not None:
        check(event, arguments)


def _reach(_: str, arguments: tuple[Any, ...]) -> None:
    """Refuse a socket's address: to connect to, or to send a datagram to."""
    connection, address = arguments
    if address is None or getattr(connection, "family", None) == getattr(socket, "AF_NETLINK", -1):
        return  # it is connected already, or to the kernel
    if not isinstance(address, tuple):  # a socket in the file system
        name = os.fsdecode(address) if isinstance(address, str | bytes) else str(address)
    else:
        name = f"{address[0]}:{address[1]}"
    if name not in _state["allowed"]:
        _refuse("connection", name, ConnectionRefusedError)


def _resolve(_: str, arguments: tuple[Any, ...]) -> None:
    host, port = (*arguments, None)[:2]
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"):  # noqa: S104 (no bind)
        return
    if name == socket.gethostname() or any(one.rpartition(":")[0] == name for one in _state["allowed"]):
        return
    _refuse("connection", f"{name}:{port}" if port is not None else name, socket.gaierror)


def _open_database(_: str, arguments: tuple[Any, ...]) -> None:
    open_file(arguments[0])


def _touch(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to write a file outside the copy; tell where one is read that could not be written."""
    if event in files.WRITES:
        for path in files.written(event, arguments):
            if not files.is_free(path, _state["root"]):
                _files["lacking"].add(path)
                _refuse(_FILE, path, PermissionError)
    if _files["lacking"] and _state["told"] is not None:
        path = files.read(event, arguments)
        if path and any(files.is_below(path, one) for one in tuple(_files["lacking"])):
            _state["told"](_printable(path))


_CHECKS: dict[str, Callable[[str, tuple[Any, ...]], None]] = {
    "socket.connect": _reach,
    "socket.sendto": _reach,
    "socket.sendmsg": _reach,
    "socket.getaddrinfo": _resolve,
    "socket.gethostbyname": _resolve,
    "sqlite3.connect": _open_database,
    **dict.fromkeys(files.EVENTS, _touch),
}


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
    target = _printable(target)
    if _state["told"] is not None:
        _state["told"](target)
    found = {"what": what, "target": target, **place()}
    if what == _FILE and found["file"] and _state["effects"] is not None:
        _state["effects"].append({"event": _FILE, "does": "writes outside of its folder", **found})
    without = _files["done_without"]
    refusals = _state["refused"] if what != _FILE or without is None else without
    if found not in refusals and (what != _FILE or len(refusals) < _MOST):
        refusals.append(found)
    raise error(f"stanchion check refuses this {what} while it tests: {target}")


def _printable(target: str) -> str:
    """Return it as it may stand in a header."""
    return "".join(one if one.isprintable() else "?" for one in target)
