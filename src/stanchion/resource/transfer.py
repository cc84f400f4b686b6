"""Files in and out where no request is: in a job."""

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.caller import Caller
from stanchion.resource.export import Piece, Walk, formats, pieces
from stanchion.resource.filing import Filing
from stanchion.resource.formats import Name
from stanchion.resource.intake import Intake
from stanchion.resource.records import readers
from stanchion.resource.sources import Opener

if TYPE_CHECKING:
    from stanchion.resource.resource import Resource


async def import_rows(
    resource: "Resource[Any]",
    session: Callable[[], Awaitable[AsyncSession]],
    chunks: AsyncIterable[bytes],
    form: Name,
    caller: Caller | None,
) -> int:
    """Make rows of the lines of a file, in the session that is asked for when the file has been read."""
    if resource.create is None:
        raise ValueError(f"{resource.model.__name__} has no `create`, so no file can be imported.")
    with Intake(readers(resource.create, resource.response)[form].records()) as intake:
        async for chunk in chunks:
            await anyio.to_thread.run_sync(intake.feed, chunk)
        await anyio.to_thread.run_sync(intake.end)
        access = resource.hooks.reach(await session(), caller, writing=True)
        await Filing(resource, access, intake).write()
        return intake.count


async def export_rows(
    resource: "Resource[Any]", opened: Opener, form: Name, caller: Caller | None
) -> AsyncIterator[Piece]:
    """Give all rows that the caller may see, in the order of their keys, each piece read in a session."""
    async with opened() as session:
        walk = Walk(opened, resource.hooks.reach(session, caller), (), resource.listing.sorting.order())
        first = await walk.first()
    async for piece in pieces(resource, walk, first, formats(resource)[form]):
        yield piece
