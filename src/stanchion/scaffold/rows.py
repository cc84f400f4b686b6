"""The rows that the tests of a new resource refer to: the functions that make them."""

from collections.abc import Sequence

from stanchion.scaffold.kinds import reference_maker
from stanchion.scaffold.layout import laid_out
from stanchion.scaffold.references import Reference
from stanchion.scaffold.tables import Tables

CALLER = "anyone: httpx2.AsyncClient, key: Headers"
"""The parameters of what has to know whose the rows are."""

_ADD = '''\
async def add(session: AsyncSession, row: Any) -> int:
    """Add a row to refer to, and return its id."""
    session.add(row)
    await session.flush()
    return int(row.id)
'''

_USER = '''\
async def user_id(anyone: httpx2.AsyncClient, key: Headers) -> int:
    """Return whose key it is."""
    return int((await anyone.get("/api/users/me", headers=key)).json()["id"])
'''


def makers(references: Sequence[Reference], tables: Tables) -> list[str]:
    """Return the functions. Raises ScaffoldError where no row of a table can be made."""
    if not references:
        return []
    made = [_maker(one, tables) for one in references]
    is_owned = any(one.table.has_owner for one in references)
    return [_ADD, *([_USER] if is_owned else ()), *made]


def _maker(reference: Reference, tables: Tables) -> str:
    table, field = reference.table, reference.field
    whose, caller, owner = "", "", ""
    if table.has_owner:
        whose, caller = ", the caller's own", CALLER
        owner = "    owner_id = await user_id(anyone, key)\n"
    values = tables.values(table, owner="owner_id" if owner else "")
    made = laid_out(f"row = {table.model}({', '.join(values)})", 8)
    return (
        f"async def {reference_maker(field)}({caller}) -> int:\n"
        f'    """Make what `{field.name}` refers to{whose}."""\n'
        f"{owner}    async with database.transaction() as session:\n{made}\n"
        "        return await add(session, row)\n"
    )
