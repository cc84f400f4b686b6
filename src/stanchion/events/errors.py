"""Why a feed is not given, or does not tell all."""

from stanchion.errors import GoneError, UnavailableError


class PositionGoneError(GoneError):
    """410: what came after this position is no longer known, or it is none of this feed's."""

    default_message = "What followed this event is no longer known: read the list, then connect without it."
    default_code = "event_position_gone"


class FeedNotReadyError(UnavailableError):
    """503: the log cannot be followed yet: a transaction is still open, or nobody answers."""

    default_message = "The feed is not ready: try again."
    default_code = "feed_not_ready"


class UntoldWarning(UserWarning):
    """The database changes or deletes rows of a feed by itself, and nobody is told of them."""
