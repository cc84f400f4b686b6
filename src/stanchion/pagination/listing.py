"""A list as one dependency: its query parameters, and the page of rows that they ask for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature
from itertools import chain
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, create_model
from sqlalchemy import ColumnElement, Select, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.errors import InvalidError
from stanchion.pagination.cursor import LONGEST, Cursor, bound
from stanchion.pagination.page import Page, links, offset_links, page_of
from stanchion.pagination.parameters import refuse_unknown
from stanchion.pagination.sorting import Order, Sorting
from stanchion.signing import Signer, signer_of

Row = TypeVar("Row")


class Narrowing(Protocol):
    """What narrows a list by its query: `stanchion.filtering.Filters`."""

    def query(self, base: type[BaseModel], name: str) -> type[BaseModel]:
        """Return the model of query parameters with those of the filters."""

    def where(self, query: BaseModel) -> Sequence[ColumnElement[bool]]:
        """Return the conditions that a query stands for."""


class ListQuery(Page):
    """The query of a list without what a Listing adds. It leaves other parameters to `refuse_unknown`:
    those of other dependencies are beside it.
    """

    model_config = ConfigDict(extra="ignore")


class Listing:
    """The query of a list, as a FastAPI dependency: `Depends(Listing(Todo, sort=["created_at"]))`.

    Its parameters are `limit`, `offset`, `count`, `sort`, `cursor`, and those of `filters`; one that no
    dependency of the path operation declares is a 422. It gives a Selection. Where no `sort` is asked for,
    the order is `order`, like `-created_at`, else by id. Cursors are sealed with the secret of
    `stanchion.install`, or with that of `signer`; whoever decodes one sees what a row is sorted by, so sort
    by nothing that the list hides. `fields` are parameters more, `name=(type, Field(...))`,
    which `query` of the Selection has; they do not bind a cursor.
    """

    def __init__(
        self,
        model: type[Any],
        *,
        filters: Narrowing | None = None,
        sort: Iterable[str] = (),
        order: str = "",
        signer: Signer | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.filters, self.sorting = filters, Sorting(model, sort, order)
        self._signer, self._fields = signer, dict(fields or {})
        self._own = {"limit", "offset", "count", "sort", "cursor", *self._fields}
        self._table: str = inspect(model).local_table.name
        name = f"{model.__name__}Query"
        query = self.sorting.query(ListQuery, name)
        query = create_model(
            name,
            __base__=query,
            cursor=(
                str,
                Field("", max_length=LONGEST, description="Where a page begins: take it from `Link`."),
            ),
            **self._fields,
        )
        self.query = query if filters is None else filters.query(query, name)
        # What FastAPI reads: the type of `query` is made here.
        self.__signature__ = Signature(
            [
                Parameter("request", Parameter.POSITIONAL_OR_KEYWORD, annotation=Request),
                Parameter(
                    "query", Parameter.POSITIONAL_OR_KEYWORD, annotation=Annotated[self.query, Query()]
                ),
            ]
        )

    async def __call__(self, request: Request, query: Any) -> "Selection":
        """Read the query. Raises InvalidError (422) for a cursor that is not of this list.

        A parameter that nothing declares is a RequestValidationError (422).
        """
        refuse_unknown(request)
        order = self.sorting.order(query.sort)
        given = query.model_fields_set - self._own
        filters = query.model_dump(mode="json", include=given, exclude_defaults=True) if given else {}
        list_of = bound(self._table, order, filters)
        signer = self._signer or signer_of(request)
        cursor = Cursor.open(query.cursor, signer, list_of) if query.cursor else None
        if cursor is not None and query.offset:
            raise InvalidError("A cursor and an offset exclude each other.", loc=("query", "offset"))
        where = tuple(self.filters.where(query)) if self.filters else ()
        return Selection(request, query, self.model, order, where, signer, list_of, cursor)


@dataclass(frozen=True)
class Selection:
    """The page of a list that a request asks for."""

    request: Request
    query: Page
    model: type[Any]
    order: Order
    where: tuple[ColumnElement[bool], ...]
    """What the filters say."""
    signer: Signer
    list_of: str
    cursor: Cursor | None

    async def fetch(self, session: AsyncSession, statement: Select[Row], response: Response) -> Sequence[Row]:
        """Return the rows of the page, and set `Link` and, where asked for, `X-Total-Count`.

        `statement` selects the model, narrowed to what the caller may see: one statement more for
        `count=exact`, and one for a cursor beside texts too long for a URL; else one in all. Raises
        InvalidError (422) for such a cursor whose row is gone.
        """
        statement = statement.where(*self.where)
        if self.query.count:
            counted = select(func.count()).select_from(statement.order_by(None).subquery())
            response.headers["X-Total-Count"] = str(await session.scalar(counted))
        order = self.walked
        if self.cursor is not None:
            statement = statement.where(order.after(await self.cursor.place(session, order)))
        statement = statement.order_by(*order.clauses).limit(self.query.limit + 1)
        if self.query.offset:
            statement = statement.offset(self.query.offset)
        rows, response.headers["Link"] = self.cut(
            (await session.execute(statement.add_columns(*order.kept))).all()
        )
        return rows

    @property
    def is_backward(self) -> bool:
        """Tell whether the page is the one before a place."""
        return self.cursor is not None and self.cursor.backward

    @property
    def walked(self) -> Order:
        """Return the order in which the rows of the page are read."""
        return self.order.reversed() if self.is_backward else self.order

    def cut(self, read: Sequence[Sequence[Any]]) -> tuple[list[Any], str]:
        """Return the rows of the page in their order, and what `Link` says.

        `read` has them as they are walked, and one more where there is one: each as what is returned of it,
        then what `order.kept` gave.
        """
        found, more = read[: self.query.limit], len(read) > self.query.limit
        if self.is_backward:
            found = found[::-1]
        # Links lead to what lies beside the first row and the last.
        places = tuple([tuple(row)[1:] for row in (*found[:1], *found[-1:])])
        return [row[0] for row in found], self._link(places, more=more)

    def _link(self, places: tuple[tuple[Any, ...], ...], *, more: bool) -> str:
        """Return what `Link` says: the same for a page that is read again, until its ends change."""
        if self.query.offset:
            return offset_links(self.request, self.query, more=more)
        page = page_of(self.request)
        name = (self.signer, self.list_of, page, self.query.limit, places, more)
        link = _links.get(name)
        if link is None:
            link = links(self.request, self.query.limit, self._cursors(places, more=more))
            if max(len(link), *map(len, page), *map(_length, chain(*places))) <= _LONGEST:
                while len(_links) >= _MOST:
                    del _links[next(iter(_links))]
                _links[name] = link
        return link

    def _cursors(self, places: Sequence[Sequence[Any]], *, more: bool) -> Mapping[str, Mapping[str, str]]:
        cursors: dict[str, Mapping[str, str]] = {"first": {}}
        backward = self.is_backward
        if places and self.cursor is not None and (more or not backward):
            cursors["prev"] = self._beside(places[0], backward=True)
        if places and (more or backward):
            cursors["next"] = self._beside(places[-1], backward=False)
        return cursors

    def _beside(self, place: Sequence[Any], *, backward: bool) -> Mapping[str, str]:
        cursor = Cursor.beside(place, self.order, backward=backward)
        return {"cursor": cursor.seal(self.signer, self.list_of)}


_links: dict[tuple[Any, ...], str] = {}
_LONGEST, _MOST = 1000, 1000
"""Characters of each text that is kept of or for `Link`, and how many of them: memory has to hold them."""


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes) else 0
