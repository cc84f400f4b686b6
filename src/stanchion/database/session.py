"""RequestSession: a session that is made when something is asked of it, which many requests never do."""

from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from stanchion.database.journal import JournaledSession
from stanchion.database.listeners import count

if TYPE_CHECKING:
    from stanchion.database.engine import Database


_listened: Any = JournaledSession().dispatch
"""Of one that is never used: what listens to the class, listens to it."""


def _heard() -> int:
    return count(
        _listened.do_orm_execute,
        _listened.after_begin,
        _listened.after_transaction_create,
        _listened.before_commit,
        _listened.after_commit,
    )


_OURS = _heard()


def is_session_meant() -> bool:
    """Tell whether something but us listens to every session.

    It may narrow the rows of a statement, or say to the database whose they are (row-level security).
    """
    return _heard() != _OURS


class RequestSession(AsyncSession):
    """A request's session. Until it `is_open` it costs next to nothing, and holds nothing."""

    def __init__(self, database: "Database", engine: AsyncEngine) -> None:
        self.database = database
        self._engine = engine
        self._has_ended = False
        self.times_given = 0
        """How often a request has asked for it."""

    def __getattr__(self, name: str) -> Any:
        # What AsyncSession sets when it is made is missing: now it is wanted.
        if self.is_open:
            raise AttributeError(f"'AsyncSession' object has no attribute {name!r}")
        # close_resets_only=False: a session used after its end raises, instead of silently
        # taking a connection that nobody gives back.
        super().__init__(
            self._engine, sync_session_class=JournaledSession, expire_on_commit=False, close_resets_only=False
        )
        if self._has_ended:
            self.sync_session.close()
        return getattr(self, name)

    @property
    def is_open(self) -> bool:
        """Tell whether anything was asked of it: it may have a transaction then."""
        return "sync_session" in vars(self)

    def end(self) -> None:
        """Let one that was never opened raise from now on."""
        self._has_ended = True
