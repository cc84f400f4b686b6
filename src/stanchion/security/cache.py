"""What was found of keys and users, remembered for a moment."""

import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakSet

Found = TypeVar("Found")

_MOST = 10_000
"""Entries of a cache: then it begins anew."""
_LATE = 0.2
"""The part of its time, at the end, in which what is remembered is looked for again."""


class Cache(Generic[Found]):
    """Remembers what was found for `seconds`, counted from when it was looked for; never that nothing was.

    So whatever has changed counts everywhere after that time, in every process. What `forget` was told of
    counts at once in this one.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._found: dict[Hashable, tuple[Found, float]] = {}
        self._sought: set[Hashable] = set()
        """What is looked for right now."""
        self._cleared = 0
        _caches.add(self)

    def known(self, name: Hashable) -> Found | None:
        """Return what is remembered under this name; None where it is to be looked for."""
        now = time.monotonic()
        found, until = self._found.get(name, (None, 0.0))
        # One of many looks again a little before its time: else all of them would, at once, after it.
        is_late = now > until - self._seconds * _LATE and name not in self._sought
        return None if is_late or now >= until else found

    async def get(self, name: Hashable, look: Callable[[], Awaitable[Found | None]]) -> Found | None:
        """Return what is `known`, else what `look` finds, or raise what it raises."""
        if (remembered := self.known(name)) is not None:
            return remembered
        began = time.monotonic()
        known, until = self._found.get(name, (None, 0.0))
        cleared = self._cleared
        self._sought.add(name)
        try:
            found = await look()
        except Exception:
            if known is None or began >= until:
                raise
            return known  # it is good until its time is over
        finally:
            self._sought.discard(name)
        if found is None:
            self._found.pop(name, None)
        # What was read before it changed must not be kept after that was told.
        if found is not None and self._seconds and cleared == self._cleared:
            if len(self._found) >= _MOST:
                self.clear()
            self._found[name] = (found, began + self._seconds)
        return found

    def clear(self) -> None:
        """Forget all, also what is looked for right now."""
        self._found.clear()
        self._cleared += 1


_caches: WeakSet[Cache[Any]] = WeakSet()


def forget() -> None:
    """Clear every cache of this process: something has changed."""
    for cache in list(_caches):
        cache.clear()
