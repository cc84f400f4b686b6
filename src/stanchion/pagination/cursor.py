"""Cursors: a place in a list, which a client keeps and cannot change."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from stanchion.errors import InvalidError
from stanchion.pagination.sorting import Order
from stanchion.signing import Signer

_PURPOSE = "cursor"


class CursorError(InvalidError):
    """422: a cursor that is none of ours, or one of another order or other filters."""

    default_message = "This cursor is not one of this list: take it from the links of a page."
    default_code = "invalid_cursor"

    def __init__(self) -> None:
        super().__init__(loc=("query", "cursor"), type="cursor")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two rows: after the row of these values, or before it."""

    values: tuple[Any, ...]
    backward: bool = False

    @classmethod
    def beside(cls, row: Any, order: Order, *, backward: bool) -> "Cursor":
        """Return the place right after a row, or right before it."""
        return cls(tuple(order.values(row)), backward)

    def seal(self, signer: Signer, list_of: str) -> str:
        """Return it as text. `list_of` is what it is bound to, as `bound` makes it."""
        content = json.dumps([list_of, self.backward, *self.values], separators=(",", ":"))
        return signer.seal(_PURPOSE, content.encode())

    @classmethod
    def open(cls, text: str, signer: Signer, list_of: str, order: Order) -> "Cursor":
        """Read it. Raises CursorError (422) for what is not ours, or belongs to another list."""
        try:
            bound, backward, *values = json.loads(signer.open(_PURPOSE, text))
            if bound != list_of:
                raise CursorError
            return cls(tuple(order.read(values)), backward)
        except (ValueError, ValidationError):
            raise CursorError from None


def bound(table: str, order: Order, filters: Mapping[str, Any]) -> str:
    """Return what tells one list from another: the table, the order and the filters, as a short hash."""
    content = json.dumps([table, order.text, filters], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()[:16]
