"""What the gate has made in a backend that it knows from outside: this alone it changes and deletes there."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

_WORDS = re.compile(r"[A-Z]?[a-z]+")
_ENDING = frozenset(
    {"cancel", "clean", "cleanup", "clear", "deactivate", "delete", "destroy", "disable", "drop", "empty"}
    | {"erase", "flush", "prune", "purge", "remove", "reset", "restart", "revoke", "shut", "shutdown"}
    | {"stop", "truncate", "wipe"}
)


def plurals(name: str) -> Iterator[str]:
    """Give a name, and what it may be as a plural: `/books` of `/book`."""
    stem = name.removesuffix("y").removesuffix("f")
    yield from (name, f"{name}s", f"{name}es", f"{stem}ies", f"{stem}ves")


def takes_away(path: str) -> bool:
    """Tell whether a path says that something is thrown away or ended, as `/notes/delete-all` does."""
    return not _ENDING.isdisjoint(word.lower() for word in _WORDS.findall(path.partition("?")[0]))


def adds(method: str, path: str) -> bool:
    """Tell whether a request takes nothing away, as far as its method and its path say."""
    return method == "GET" or (method == "POST" and not takes_away(path))


class Belongings:
    """Items by the path that they were posted to and their id."""

    def __init__(self) -> None:
        self._made: set[tuple[str, str]] = set()

    def add(self, path: str, sent: bytes, answer: Any, location: str) -> None:
        """Keep the ids in an answer to POST, but of what is another thing than the one that was sent."""
        posted = _without_query(path)
        self._made |= {(posted, one) for one in _ids(posted, _object(sent), answer)}
        folder, _, last = urlsplit(location).path.rstrip("/").rpartition("/")
        if any(folder.endswith(one) for one in (posted, *plurals(posted))):
            self._made.add((posted, unquote(last)))

    def discard(self, path: str) -> None:
        """Forget an item that is no more: its id may become somebody else's."""
        folder, last = _parts(path)
        self._made = {one for one in self._made if one[1] != last or one[0] not in plurals(folder)}

    def has(self, path: str) -> bool:
        """Tell whether an item was made here, be it asked for under another parent that was made here."""
        folder, last = _parts(path)
        if any((one, last) in self._made for one in plurals(folder)):
            return True
        parent, _, collection = folder.rpartition("/")
        alike = any(one.rpartition("/")[2] == collection for one, item in self._made if item == last)
        return alike and bool(parent) and self.has(parent)


def _without_query(path: str) -> str:
    return path.partition("?")[0].rstrip("/")


def _parts(path: str) -> tuple[str, str]:
    folder, _, last = _without_query(path).rpartition("/")
    return folder, unquote(last)


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _ids(posted: str, sent: Mapping[str, Any], answer: Any) -> Iterator[str]:
    """Give the id of what was sent: of the answer itself, or of an object in it that has the same values."""
    if not isinstance(answer, dict):
        return
    collection = posted.rpartition("/")[2]
    for depth, one in enumerate((answer, *(value for value in answer.values() if isinstance(value, dict)))):
        same = [one[name] == value for name, value in sent.items() if name in one]
        if not (any(same) or (depth == 0 and not same)):
            continue
        for name, value in one.items():
            named = name in ("id", "uuid", "_id") or (
                name.endswith("_id") and collection.startswith(name.removesuffix("_id"))
            )
            if named and isinstance(value, int | str) and not isinstance(value, bool):
                yield str(value)
