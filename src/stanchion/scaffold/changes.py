"""Files that change together: all of them, or none."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from stanchion.scaffold.errors import ScaffoldError


def write(files: Mapping[Path, bytes]) -> None:
    """Write files, new ones and those that are there: all, or none.

    A file keeps its mode, and a link its place. Raises ScaffoldError, and then nothing has changed.
    """
    ready: dict[Path, Path] = {}
    try:
        for path, content in files.items():
            target = path.resolve()
            ready[target] = _beside(target, content)
        _replace(ready)
    except OSError as error:
        name = error.filename or next(iter(files))
        raise ScaffoldError(
            f"{name} cannot be written ({error.strerror or error}): nothing has changed."
        ) from error
    finally:
        for made in ready.values():
            made.unlink(missing_ok=True)


def _beside(target: Path, content: bytes) -> Path:
    """Write what a file is to hold, in its folder."""
    descriptor, name = tempfile.mkstemp(prefix=".stanchion-", dir=target.parent)
    made = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        if target.exists():
            shutil.copymode(target, made)
        else:
            made.chmod(0o666 & ~_umask())
    except BaseException:  # also Control-C
        made.unlink()
        raise
    return made


def _replace(ready: Mapping[Path, Path]) -> None:
    before = {target: target.read_bytes() if target.exists() else None for target in ready}
    done: list[Path] = []
    try:
        for target, made in ready.items():
            done.append(target)
            made.replace(target)
    except BaseException:  # also Control-C
        for target in done:
            content = before[target]
            with suppress(OSError):
                if content is None:
                    target.unlink(missing_ok=True)
                else:
                    target.write_bytes(content)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
