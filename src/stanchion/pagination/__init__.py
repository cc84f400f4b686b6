"""Pages of a list and its order: by limit and offset, or by a cursor, stable while rows come and go."""

from stanchion.pagination.cursor import Cursor
from stanchion.pagination.listing import Listing, Selection
from stanchion.pagination.page import Page, add_links
from stanchion.pagination.parameters import refuse_unknown
from stanchion.pagination.sorting import Order, Sorting

__all__ = ["Cursor", "Listing", "Order", "Page", "Selection", "Sorting", "add_links", "refuse_unknown"]
