"""Resource: the endpoints of one table, built from the parts below."""

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Mapping,
    Sequence,
)
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.interfaces import ORMOption

from stanchion.caller import Caller
from stanchion.concurrency import Precondition, etag
from stanchion.database import now
from stanchion.errors import NotFoundError
from stanchion.events import Events, Visibility
from stanchion.filtering import Filters
from stanchion.idempotency import Idempotency
from stanchion.pagination import Listing
from stanchion.resource.access import Access
from stanchion.resource.announcer import VERSION
from stanchion.resource.bulk import BulkWriter
from stanchion.resource.embedding import Embedding
from stanchion.resource.export import Piece
from stanchion.resource.formats import Name
from stanchion.resource.hooks import Dependency, Hooks
from stanchion.resource.names import shown
from stanchion.resource.parameters import Parameters
from stanchion.resource.parts import announcer_of, inserter_of, reader_of
from stanchion.resource.paths import CONVERTOR, below
from stanchion.resource.reader import Encode
from stanchion.resource.references import referring, referring_to_itself
from stanchion.resource.router import router_of
from stanchion.resource.signature import typed
from stanchion.resource.sources import Opener
from stanchion.resource.table import Described, name_of
from stanchion.resource.transfer import export_rows, import_rows
from stanchion.resource.writing import Writer

Row = TypeVar("Row")


class Resource(Generic[Row]):
    """The endpoints of a table, declared once.

        class Resource(stanchion.Resource[Row]):     # once in a project: who is asking, and the session
            session = get_session
            caller = get_api_key
            idempotency = Idempotency(database, caller=get_api_key)

        todos = Resource(Todo, create=TodoCreate, update=TodoUpdate, response=TodoResponse,
                         owner="owner_id", filters=["status", "title"], sort=["created_at"])
        router = todos.router(prefix="/api/todos", tags=["todos"])

    `model` is a SQLModel table (any class that SQLAlchemy maps) with one column for its primary key. A column
    `version` makes it an ETag, `updated_at` follows each change. What has no schema has no endpoint:
    without `create` no POST, without `update` neither PUT nor PATCH.

    - `owner` names the column that holds the user's id: everyone else's row is a 404, and a new one is the
      caller's. Rows without one are the service's own.
    - `order` is that of the list where a client asks for no `sort`, like `-created_at`; else it is by id.
    - `scope` is a dependency that returns a condition, or several, which every statement carries.
    - `authorize` is a dependency that is asked before each write; it raises, or returns nothing.
    - `values` is a dependency that returns columns of a new row; what a client sends for them counts for
      nothing, neither then nor in a change. `update_values` returns columns that each change fills.
    - `references` names, by column, the Resource whose rows a client may refer to there: those that it may
      see; of others it is told that there are none (422). `references={"customer_id": customers}`, or None in
      the place of `customers` where every row may be named. A column that leads to the same table needs
      none: the rows of this resource.
    - `require_match=True` refuses a change without If-Match (428); of many rows nothing can be matched, so
      there is no PATCH and no DELETE of many.
    - `deleted_at` names a column that is set instead of deleting, and adds POST /{id}/restore.
    - `embed` names relations that a client may ask for, `embed=customer`, each with the Resource of what it
      leads to: what of it the caller may see comes along. One that is embedded alone needs no router.
    - `visibility` says who may see the events of rows that a `scope` narrows, which has no feed without it.

    - `encode="application"` has Pydantic write the JSON of each row that is read. As it is, the database
      does, where it writes what Pydantic would: docs/how-to/resources.md says where that is.

    Raises ValueError for a column that is not there, and for one that leads to rows with owners and is not in
    `references`; TypeError for one that cannot be filtered by.
    """

    session: ClassVar[Any] = None
    """The dependency that gives the request's session: `Database.get_session`."""
    caller: ClassVar[Any] = None
    """The dependency that gives the Caller: a KeyGuard. Without one, anybody may ask."""

    idempotency: ClassVar[Idempotency | None] = None
    """What keeps the replies of POSTs that make rows, for an Idempotency-Key."""
    events: ClassVar[Events | None] = None
    """Where each write is told of, in its own transaction, and what makes the feed: GET /events."""
    sessions: ClassVar[Any] = None
    """The dependency that gives what opens a session for each batch of an export, `async with opened() as s`:
    needed where `session` is no Database's own `get_session`, whose `read` it is otherwise."""
    max_import_size: ClassVar[int] = 1024**3
    """Bytes of a file that is imported; beyond it, 413. The app's limit on bodies is not for it."""
    max_imports: ClassVar[int] = 4
    """Files that a process takes in at once, of all its resources; beyond it, 503. They are on its disk."""

    def __init__(
        self,
        model: type[Row],
        *,
        response: type[BaseModel],
        create: type[BaseModel] | None = None,
        update: type[BaseModel] | None = None,
        owner: str = "",
        filters: Sequence[str] = (),
        sort: Sequence[str] = (),
        order: str = "",
        scope: Dependency | None = None,
        authorize: Dependency | None = None,
        values: Dependency | None = None,
        update_values: Dependency | None = None,
        references: Mapping[str, "Resource[Any] | None"] | None = None,
        require_match: bool = False,
        deleted_at: str = "",
        embed: Mapping[str, "Resource[Any]"] | None = None,
        visibility: Visibility | None = None,
        encode: Encode = "database",
        name: str = "",
    ) -> None:
        self.model, self.response, self.create, self.update = model, response, create, update
        self.table = Described(model, name or name_of(model))
        self.owner, self.deleted_at, self.require_match = owner, deleted_at, require_match
        self.visibility = visibility
        for column in filter(None, (owner, deleted_at, visibility.column if visibility else "")):
            self.table.column(column)
        for schema in filter(None, (create, update)):
            self.table.check(schema)
        # From the class: a function there must not become a method.
        session, self.caller_dependency = type(self).session, type(self).caller
        if session is None:
            raise ValueError("A resource needs a session: set `session = database.get_session` in the class.")
        if owner and self.caller_dependency is None:
            raise ValueError(
                "A resource with an owner needs a caller: set `caller` in the class to a KeyGuard."
            )
        self.embedding = Embedding(self.table, embed or {})
        self.hooks: Hooks[Row] = Hooks(
            self.table,
            session,
            self.caller_dependency,
            scope,
            authorize,
            values,
            update_values,
            owner=owner,
            deleted_at=deleted_at,
            references=referring(self, references or {}),
            own_references=referring_to_itself(self, references or {}),
            embedded={name: one.hooks for name, one in self.embedding.resources.items()},
        )
        self.parameters = Parameters(
            self.table, self.embedding, is_versioned=self.is_versioned, require_match=require_match
        )
        if require_match and not self.is_versioned:
            raise ValueError(f"{model.__name__} has no column 'version', so nothing can be matched.")
        self.missing: type[NotFoundError] = type(
            f"{model.__name__}NotFoundError",
            (NotFoundError,),
            {
                "__doc__": f"There is no such {self.table.words}, or it is somebody else's.",
                "default_message": f"{self.table.words.capitalize()} not found",
                "default_code": f"{self.table.name}_not_found",
            },
        )
        ids_return = self.table.returns_ids(create)
        self.announcer = announcer_of(self)
        self.writer: Writer[Row] = Writer(
            self.table,
            self.missing,
            owner=owner if self.is_users_alone else "",
            ids_return=ids_return,
            announcer=self.announcer,
        )
        self.reader = reader_of(self) if encode == "database" else None
        self.inserter = inserter_of(self) if self.reader else None
        fields = {"embed": (str, self.embedding.parameter)} if embed else {}
        self.listing = Listing(model, filters=Filters(model, filters), sort=sort, order=order, fields=fields)
        if hidden := set(sort) - shown(response) - {self.table.key_name}:
            raise ValueError(
                f"{model.__name__} is sorted by {', '.join(sorted(hidden))}, which {response.__name__} does "
                "not show, and a cursor would: show it there too, or write the list by hand, with a Listing."
            )

    def router(self, *, prefix: str, without: Collection[str] = (), **options: Any) -> APIRouter:
        """Return a router with the endpoints. `options` are those of APIRouter: `tags`, `dependencies`.

        `without` leaves some out ("list", "create", "read", "replace", "update", "delete", "restore",
        "bulk_create", "bulk_update", "bulk_delete", "export", "import", "events", "events_ticket"), to be
        written by hand on the router that is returned. Raises ValueError for one that there is not, and
        where an export has no `sessions`. Warns (UntoldWarning) of a feed whose rows the database deletes or
        changes by itself.
        """
        return router_of(self, prefix, without, options)

    async def announce(
        self, session: AsyncSession, kind: str, rows: Sequence[Row], caller: Caller | None = None
    ) -> None:
        """Tell the feed of rows that a hand-written path operation has written, in its transaction.

        `kind` is `created`, `updated` or `deleted`. Call it after the statement that wrote them. Nothing
        happens where the resource has no feed.
        """
        if self.announcer is not None:
            await self.announcer.tell(session, kind, rows, caller)

    async def import_rows(
        self,
        session: Callable[[], Awaitable[AsyncSession]],
        chunks: AsyncIterable[bytes],
        *,
        format: Name = "ndjson",
        caller: Caller | None = None,
    ) -> int:
        """Make rows of the lines of a file as POST /import does, in a job; return how many: all or none.

        `session` is asked when the file has been read and checked, for the session that writes: a job's
        `context.session`. Raises DomainError, whose `errors` name the bad lines, and ValueError where the
        resource has `scope`, `authorize`, `values` or `update_values`, which only a request can be asked.
        """
        return await import_rows(self, session, chunks, format, caller)

    def export_rows(
        self, opened: Opener, *, format: Name = "ndjson", caller: Caller | None = None
    ) -> AsyncIterator[Piece]:
        """Give all rows that the caller may see as the pieces of a file, as GET /export does, in a job.

        `opened` opens a session for each piece, `database.read`. Raises ValueError where the resource has
        a `scope`, which only a request can be asked.
        """
        return export_rows(self, opened, format, caller)

    @cached_property
    def find(self) -> Dependency:
        """Return a dependency that gives the row of the path, for an endpoint that is written by hand.

        `todo: Annotated[Todo, Depends(todos.find)]` is a 404 where it is not there, or somebody else's.
        For one that changes it there is `find_to_write`, which asks `authorize` as well.
        """
        return self._finding(self.hooks.reading)

    @cached_property
    def find_to_write(self) -> Dependency:
        """Return a dependency that gives the row of the path to whoever may change it."""
        return self._finding(self.hooks.writing)

    def _finding(self, access: Any) -> Dependency:
        async def find(row_id: Any, access: Access[Row]) -> Row:
            return await self.one(access, row_id)

        return typed(find, "find", "", {"row_id": self.parameters.row_id, "access": access})

    async def one(self, access: Access[Row], row_id: Any, *options: ORMOption) -> Row:
        """Return a row that may be seen. Raises the 404 of this resource where there is none."""
        statement = access.select().where(self.table.key == row_id).options(*options)
        row = (await access.session.scalars(statement)).one_or_none()
        if row is None:
            raise self.missing
        return row

    @property
    def item(self) -> str:
        """Return the path of one row, `/{todo_id}`, which the paths beside it are not: GET /bulk is a 405."""
        return f"/{{{self.table.name}_id:{CONVERTOR}}}"

    @property
    def is_versioned(self) -> bool:
        """Tell whether a row has an ETag."""
        return self.table.has(VERSION)

    @property
    def can_conflict(self) -> bool:
        """Tell whether another row can stand against a write: something beside the id is unique."""
        given = self.create is not None and self.table.key_name in self.create.model_fields
        return given or self.table.has_unique

    @property
    def is_users_alone(self) -> bool:
        """Tell whether each row has to be some user's."""
        return bool(self.owner) and not self.table.is_nullable(self.owner)

    @property
    def is_blocked(self) -> bool:
        """Tell whether rows of other tables may stand against a deletion."""
        return not self.deleted_at and self.table.is_referred

    def shown(self, row: Row, embed: str = "") -> Any:
        """Return a row as the client sees it, with the relations that were asked for."""
        shown = self.response.model_validate(row, from_attributes=True)
        return {**dict(shown), **self.embedding.embedded(row, embed)} if embed else shown

    def tag(self, response: Response, row: Any) -> None:
        """Set the row's ETag, where it has one."""
        if self.is_versioned:
            response.headers["ETag"] = etag(row.version)

    def place(self, request: Request, key: Any) -> str:
        """Return the path of the row of this key, which was made by a request to the collection."""
        return below(request.scope["path"], request.scope.get("root_path", ""), key)

    async def remove(self, access: Access[Row], row_id: Any, match: Precondition) -> None:
        """Delete a row, or mark it as deleted."""
        if self.deleted_at:
            await self.writer.update(access, row_id, {self.deleted_at: now()}, match, kind="deleted")
        else:
            await self.writer.delete(access, row_id, match)

    async def remove_all(self, access: Access[Row], ids: Sequence[Any]) -> Sequence[Any]:
        """Delete rows, or mark them as deleted. Raises the 404 of the resource where one is not there."""
        writer = BulkWriter(self.table, self.writer)
        if not self.deleted_at:
            return await writer.delete(access, ids)
        marked = [{self.table.key_name: one, self.deleted_at: now()} for one in ids]
        await writer.update(access, marked, kind="deleted")
        return ids
