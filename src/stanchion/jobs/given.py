"""Rows that a statement is given as one parameter: its text, and so its plan, is the same however many."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import FromClause, Text, bindparam, cast, column, func, select
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.types import TypeEngine


def rows(dialect: str, name: str, columns: Mapping[str, type[TypeEngine[Any]]]) -> FromClause:
    """Return a JSON array of objects, the text parameter `name`, as a table; what an object lacks is NULL."""
    parameter = bindparam(name, type_=Text)
    if dialect == "sqlite":
        each = func.json_each(parameter).table_valued("value", name=f"each_{name}")
        fields = (
            func.json_extract(each.c.value, f"$.{key}", type_=kind).label(key)
            for key, kind in columns.items()
        )
        return select(*fields).subquery(name)
    listed = (column(key, kind) for key, kind in columns.items())
    records = func.json_to_recordset(cast(parameter, JSON)).table_valued(*listed, name=name)
    return records.render_derived(with_types=True)
