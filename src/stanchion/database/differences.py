"""How the models and a database differ: what is compared, how a person reads it, how a revision writes it."""

from collections.abc import Iterable
from typing import Any, Literal

from alembic.autogenerate.api import AutogenContext
from sqlalchemy import String
from sqlmodel.sql.sqltypes import AutoString

from stanchion.database.columns import BigID, UTCDateTime

_OWN = "stanchion_"


def is_the_apps(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Leave the library's tables out of the app's history: Alembic's `include_object`."""
    return not (kind == "table" and name is not None and name.startswith(_OWN))


def render_item(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
    """Write the column types that Alembic cannot: its `render_item`. False leaves it to Alembic."""
    if kind != "type":
        return False
    if isinstance(item, AutoString):
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    if isinstance(item, UTCDateTime):
        context.imports.add("from stanchion.database import UTCDateTime")
        return "UTCDateTime()"
    if item is BigID:
        context.imports.add("from stanchion.database import BigID")
        return "BigID"
    return False


def describe(differences: Iterable[Any]) -> list[str]:
    """Say each of Alembic's differences in a line, from the database's side."""
    lines: list[str] = []
    for difference in differences:
        # Alembic gathers the changes of one column in a list of their own.
        lines += (
            [_column(change) for change in difference]
            if isinstance(difference, list)
            else [_line(difference)]
        )
    return lines


def _line(difference: tuple[Any, ...]) -> str:
    verb, _, kind = difference[0].partition("_")
    where = (
        "in models.py, but not in the database" if verb == "add" else "in the database, but not in models.py"
    )
    if kind == "table":
        return f"table {difference[1].name} is {where}"
    if kind == "column":
        return f"column {difference[2]}.{difference[3].name} is {where}"
    item = difference[1]
    columns = ", ".join(column.name for column in item.columns)
    noun = {"index": "index", "fk": "foreign key"}.get(kind, "constraint")
    return f"{noun} {item.name or 'without a name'} on {item.table.name} ({columns}) is {where}"


def _column(change: tuple[Any, ...]) -> str:
    kind, _, table, column, _, old, new = change
    what = kind.removeprefix("modify_")
    if what == "nullable":
        old, new = ("may be NULL" if value else "is NOT NULL" for value in (old, new))
        return f"column {table}.{column} {old} in the database, and {new} in models.py"
    return f"column {table}.{column} has the {what} {old} in the database, and {_plain(new)} in models.py"


def _plain(value: Any) -> Any:
    return String(value.length) if isinstance(value, AutoString) else value
