"""What tells of the rows that a resource writes, in the transaction that writes them."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.caller import Caller
from stanchion.events import Change, Events, Visibility
from stanchion.resource.table import Described

VERSION = "version"
"""The column that counts the changes of a row: its ETag."""


class Announcer:
    """Appends the events of one resource: each row as its API shows it, one statement however many rows."""

    def __init__(
        self,
        events: Events,
        table: Described,
        response: type[BaseModel],
        *,
        owner: str = "",
        visibility: Visibility | None = None,
    ) -> None:
        self.events, self._table, self._response = events, table, response
        self._owner, self._visibility = owner, visibility
        self.topic = table.name
        self.has_visibility = visibility is not None

    async def tell(
        self, session: AsyncSession, kind: str, rows: Sequence[Any], caller: Caller | None = None
    ) -> None:
        """Tell of rows that have been written: created, updated, deleted (as they were)."""
        changes = [self._change(row) for row in rows]
        await self.events.append_all(session, self._table.name, kind, changes, caller=caller)

    def _change(self, row: Any) -> Change:
        shown = self._response.model_validate(row, from_attributes=True)
        return Change(
            key=str(getattr(row, self._table.key_name)),
            data=shown.model_dump_json(by_alias=True),
            version=getattr(row, VERSION, None),
            owner_id=getattr(row, self._owner) if self._owner else None,
            visibility=self._visibility.of(row) if self._visibility else None,
        )
