"""The filters of a list: columns become query parameters, and a query a WHERE clause."""

from stanchion.filtering.filters import Filters

__all__ = ["Filters"]
