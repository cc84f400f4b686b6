"""Which files an audit event of the interpreter writes to, and which of them anybody may write."""

import os
import sys
import tempfile
from collections.abc import Callable
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_TEMPORARY = os.path.realpath(tempfile.gettempdir())


def written(event: str, arguments: tuple[Any, ...]) -> list[str]:
    """Return the real paths that are made, changed or taken away; none where the call fails by itself."""
    return [path for path in WRITES[event](*arguments) if path]


def read(event: str, arguments: tuple[Any, ...]) -> str:
    """Return the real path that is read, or nothing."""
    return _path(arguments[0]) if event in READS else ""


def is_free(path: str, root: str) -> bool:
    """Tell whether it is the copy's, temporary, of the process, or a measurement or bytecode of it."""
    folders = (root, _TEMPORARY, f"/proc/{os.getpid()}", sys.pycache_prefix or "")
    return (
        (is_below(path, "/dev") and not is_below(path, "/dev/shm"))  # noqa: S108 (a file there is a file)
        or any(is_below(path, folder) for folder in folders if folder)
        or f"{os.sep}__pycache__{os.sep}" in path + os.sep
        or os.path.basename(path).startswith(".coverage")  # noqa: PTH119 (no pathlib in a hook)
    )


def is_below(path: str, folder: str) -> bool:
    """Tell whether a path is a folder's own, or of something in it."""
    return path == folder or path.startswith(folder + os.sep)


def _path(named: Any, directory: int | None = -1) -> str:
    """Return the real path of what is named; nothing for a descriptor, which was opened before."""
    if not isinstance(named, str | bytes | os.PathLike):
        return ""
    name = os.fsdecode(named)
    if directory is not None and directory >= 0 and not name.startswith(os.sep):
        try:
            name = f"{os.readlink(f'/proc/self/fd/{directory}')}/{name}"  # noqa: PTH115 (no pathlib in a hook)
        except OSError:
            return ""  # not Linux
    return os.path.realpath(name)


def _entry(named: Any, directory: int | None = -1) -> str:
    """Return the path of an entry itself: of a link, not of what that leads to."""
    if not isinstance(named, str | bytes | os.PathLike):
        return ""
    folder, name = os.path.split(os.fsdecode(named).rstrip(os.sep))
    if name in ("", ".", ".."):
        return _path(named, directory)
    parent = _path(folder or ".", directory)
    return os.path.join(parent, name) if parent else ""  # noqa: PTH118 (no pathlib in a hook)


def _there(path: str) -> str:
    return path if os.path.lexists(path) else ""


def _opened(named: Any, mode: Any = None, flags: Any = 0) -> list[str]:
    if isinstance(mode, str):
        writes, makes = not {"w", "a", "x", "+"}.isdisjoint(mode), "r" not in mode
    else:
        writes, makes = bool(flags & _WRITING), bool(flags & os.O_CREAT)
    if not writes:
        return []
    path = _path(named)
    return [path if makes else _there(path)]


def _made(named: Any, mode: int = 0, directory: int = -1) -> list[str]:
    path = _entry(named, directory)
    return [] if os.path.lexists(path) else [path]


def _removed(named: Any, directory: int | None = -1) -> list[str]:
    return [_there(_entry(named, directory))]


def _renamed(old: Any, new: Any, from_directory: int = -1, to_directory: int = -1) -> list[str]:
    source = _there(_entry(old, from_directory))
    return [source, _entry(new, to_directory)] if source else []


def _hard_linked(old: Any, new: Any, from_directory: int = -1, to_directory: int = -1) -> list[str]:
    # Through another name the same file could be written to.
    return [_path(old, from_directory), _entry(new, to_directory)]


def _linked(old: Any, new: Any, directory: int = -1) -> list[str]:
    return [_entry(new, directory)]


def _changed(named: Any, *arguments: Any) -> list[str]:
    """Of a change to what a path leads to: the last argument is the directory's descriptor."""
    return [_there(_path(named, arguments[-1]))]


def _changed_here(named: Any, *_: Any) -> list[str]:
    return [_there(_path(named))]


WRITES: dict[str, Callable[..., list[str]]] = {
    "open": _opened,
    "os.mkdir": _made,
    "os.remove": _removed,
    "os.rmdir": _removed,
    "shutil.rmtree": _removed,
    "os.rename": _renamed,
    "os.link": _hard_linked,
    "os.symlink": _linked,
    "os.chmod": _changed,
    "os.chown": _changed,
    "os.utime": _changed,
    "os.truncate": _changed_here,
    "os.setxattr": _changed_here,
    "os.removexattr": _changed_here,
    "os.chflags": _changed_here,
}
READS = frozenset({"open", "os.listdir", "os.scandir"})
EVENTS = READS | WRITES.keys()
