"""A table as one request may reach it: the session, who is asking, and the rows that are theirs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.caller import Caller

Row = TypeVar("Row")


@dataclass(frozen=True)
class Access(Generic[Row]):
    """What a request may reach of a table; every statement of a resource is narrowed by it."""

    model: type[Row]
    session: AsyncSession
    caller: Caller | None
    narrow: Callable[[], tuple[ColumnElement[bool], ...]]
    """Gives the conditions of `where`."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Columns of a new row that are filled here: the owner, and those of `values`. No client sets them."""
    owner: str = ""
    """The one of them that holds whose a row is."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """Columns that each change fills, whatever the client sends: those of `update_values`."""
    embedded: Mapping[str, "Access[Any]"] = field(default_factory=dict)
    """By relation, the rows that may come along."""
    references: Mapping[str, "Access[Any]"] = field(default_factory=dict)
    """By column, the rows that a client may name there; one that is not listed may name any."""

    @cached_property
    def where(self) -> tuple[ColumnElement[bool], ...]:
        """Return the conditions of the rows that may be seen: of the owner, of `scope`, not deleted.

        Made when they are asked for: a ready statement has its own.
        """
        return self.narrow()

    def select(self) -> Select[Row]:
        """Return the statement that reads the rows that may be seen."""
        return select(self.model).where(*self.where)
