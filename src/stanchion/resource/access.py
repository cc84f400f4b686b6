"""A table as one request may reach it: the session, who is asking, and the rows that are theirs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    where: tuple[ColumnElement[bool], ...]
    """The conditions of the rows that may be seen: of the owner, of `scope`, not deleted."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Columns that are filled here, whatever the client sends: the owner, and those of `values`."""

    def select(self) -> Select[Row]:
        """Return the statement that reads the rows that may be seen."""
        return select(self.model).where(*self.where)
