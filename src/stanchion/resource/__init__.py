"""Resources: the endpoints of a table, declared in a few lines."""

from stanchion.resource.access import Access
from stanchion.resource.resource import Resource

__all__ = ["Access", "Resource"]
