"""Events: the change log as a feed, Server-Sent Events that can be resumed.

What is appended commits with the write that it tells of; one reader a process gives it to all who follow.
"""

from stanchion.database.changes import Change
from stanchion.events.errors import FeedNotReadyError, PositionGoneError, UntoldWarning
from stanchion.events.events import Events, Ticket, Visibility
from stanchion.events.stream import EventStream

__all__ = [
    "Change",
    "EventStream",
    "Events",
    "FeedNotReadyError",
    "PositionGoneError",
    "Ticket",
    "UntoldWarning",
    "Visibility",
]
