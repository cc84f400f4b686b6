"""The paths of a resource: its rows', and those beside them, which are no ids."""

from functools import lru_cache
from typing import Any
from urllib.parse import quote

from starlette.convertors import StringConvertor, register_url_convertor

BESIDE = ("bulk", "events", "export", "import")
CONVERTOR = "stanchion_row"


class _RowConvertor(StringConvertor):
    """What may be an id in a path: anything but the names that stand beside the ids."""

    regex = f"(?!(?:{'|'.join(BESIDE)})(?:/|$))[^/]+"


register_url_convertor(CONVERTOR, _RowConvertor())


def below(path: str, root: str, key: Any) -> str:
    """Return the path of the row of a key below a collection's, as the client reaches it: for Location.

    `path` and `root` are the request's, as ASGI has them.
    """
    return _collection(path, root) + (str(key) if type(key) is int else quote(str(key), safe=""))


@lru_cache(maxsize=256)
def _collection(path: str, root: str) -> str:
    return f"{quote(root.rstrip('/'))}{quote(path.removeprefix(root).rstrip('/'))}/"
