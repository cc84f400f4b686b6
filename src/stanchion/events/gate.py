"""The gate: events pass in the order of their places, and none before one that may still come."""

from stanchion.database.changes import Event
from stanchion.events.log import Batch, Position, position_of


class Gate:
    """Lets the events of batches pass, and stops at a place that is empty until it stays so.

    On PostgreSQL the places are those of a sequence, which transactions take in an order of their own and
    leave empty when they roll back. An empty place is settled once all transactions that could have taken
    it have ended: those that had a number before the fence, which is taken after the place was passed over.
    On SQLite, with one writer at a time, no event comes late: `is_ordered`.
    """

    def __init__(self, position: Position, *, is_ordered: bool) -> None:
        self.position = position
        self._is_ordered = is_ordered
        self._settled = position.place
        self._seen = position.place
        self._fence: int | None = None
        self._fenced = 0
        self.is_held = False

    @property
    def wants_fence(self) -> bool:
        """Tell whether the number of a transaction that begins now is wanted: `fence`."""
        return self.is_held and self._fence is None

    def fence(self, number: int) -> None:
        """Take the number of a transaction that began after the last batch was read."""
        self._fence, self._fenced = number, self._seen

    def passed(self, batch: Batch) -> list[Event]:
        """Return what may be told of the events after the position, which moves on."""
        if self._fence is not None and batch.horizon >= self._fence:
            self._settled, self._fence = self._fenced, None
        if batch.has_hole(self.position.place):
            self._settled = max(self._settled, batch.first - 1)  # trimmed: nothing comes there any more
        passed: list[Event] = []
        self.is_held = False
        for event in batch.events:
            before = passed[-1].id if passed else self.position.place
            is_next = event.id == before + 1
            if not (self._is_ordered or is_next or event.id - 1 <= self._settled):
                self.is_held = True
                self._seen = batch.events[-1].id
                break
            passed.append(event)
        if passed:
            self.position = position_of(passed[-1])
        return passed
