"""Resources: the endpoints of a table, declared in a few lines."""

from stanchion.resource.access import Access
from stanchion.resource.formats import MEDIA_TYPES
from stanchion.resource.formats import Name as FileFormat
from stanchion.resource.resource import Resource

__all__ = ["MEDIA_TYPES", "Access", "FileFormat", "Resource"]
