"""Cursors: a place in a list, which a client keeps and cannot change."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.errors import InvalidError
from stanchion.pagination.sorting import Order
from stanchion.signing import Signer

LONGEST = 4096
"""Characters of a cursor."""
_PURPOSE = "cursor"
_MOST = 1024
"""Bytes of a place: two cursors are in a page's Link, and a proxy may have 4 KiB for a response's headers."""
_LONGEST_KEPT = 200
"""Characters of filters whose hash is kept: a client may send any number, which memory would hold."""


class CursorError(InvalidError):
    """422: a cursor that is none of ours, or one of another order or other filters."""

    default_message = "This cursor is not one of this list: take it from the links of a page."
    default_code = "invalid_cursor"

    def __init__(self, message: str = "") -> None:
        super().__init__(message, loc=("query", "cursor"), type="cursor")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two rows: after the row of these values, or before it.

    `values` are those of the order's columns, as JSON. One that would be too long for a URL has only the
    row's id, and a `digest` of the values that are to be found there.
    """

    values: tuple[Any, ...]
    backward: bool = False
    digest: str = ""

    @classmethod
    def beside(cls, place: Sequence[Any], order: Order, *, backward: bool) -> "Cursor":
        """Return the place right after a row, or right before it. `place` is what `order.kept` gave of it."""
        values = tuple(order.written(place))
        if len(_encoded(values)) <= _MOST:
            return cls(values, backward)
        return cls(values[-1:], backward, _digest(values))

    def seal(self, signer: Signer, list_of: str) -> str:
        """Return it as text. `list_of` is what it is bound to, as `bound` makes it."""
        return signer.seal(_PURPOSE, _encoded((list_of, self.backward, self.values, self.digest)))

    @classmethod
    def open(cls, text: str, signer: Signer, list_of: str) -> "Cursor":
        """Read it. Raises CursorError (422) for what is not ours, or belongs to another list."""
        try:
            bound, backward, values, digest = json.loads(signer.open(_PURPOSE, text))
        except ValueError:
            raise CursorError from None
        if bound != list_of:
            raise CursorError
        return cls(tuple(values), backward, digest)

    async def place(self, session: AsyncSession, order: Order) -> list[Any]:
        """Return the values to begin at, for `order.after`: one statement where they are in the row alone.

        Raises CursorError (422) for those of another order, and where that row is gone or has others now.
        """
        dialect = session.get_bind().dialect.name
        if not self.digest:
            return self.own_place(order, dialect)
        try:
            (row_id,) = Order(order.keys[-1:]).read(self.values, dialect)
        except ValueError:
            raise CursorError from None
        found = (await session.execute(select(*order.kept).where(order.keys[-1].same(row_id)))).first()
        if found is None or _digest(order.written(found)) != self.digest:
            raise CursorError("The row that this cursor stands beside is gone, or has changed: begin again.")
        return list(found)

    def own_place(self, order: Order, dialect: str) -> list[Any]:
        """Return the values to begin at of a cursor without a digest. Raises CursorError (422)."""
        try:
            return order.read(self.values, dialect)
        except ValueError:
            raise CursorError from None


def bound(table: str, order: Order, filters: Mapping[str, Any]) -> str:
    """Return what tells one list from another: the table, the order and the filters, as a short hash."""
    text = json.dumps(filters, sort_keys=True, separators=(",", ":")) if filters else "{}"
    return (_kept if len(text) <= _LONGEST_KEPT else _bound)(table, order.text, text)


def _bound(table: str, order: str, filters: str) -> str:
    content = f"[{json.dumps(table)},{json.dumps(order)},{filters}]"
    return hashlib.sha256(content.encode()).hexdigest()[:16]


_kept = lru_cache(1000)(_bound)


def _encoded(content: Sequence[Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _digest(values: Sequence[Any]) -> str:
    return hashlib.sha256(_encoded(values)).hexdigest()[:32]
