"""The classes of a resource's own routes."""

from stanchion.database.retries import retried
from stanchion.idempotency import IdempotentRoute
from stanchion.reply import Handler
from stanchion.routing import CompiledRoute


class ResourceRoute(IdempotentRoute, CompiledRoute):
    """A route whose work for each request is planned once."""


class WritingRoute(ResourceRoute):
    """A route that is run again after a deadlock: what it writes is in its session alone."""

    def get_route_handler(self) -> Handler:
        return retried(super().get_route_handler())
