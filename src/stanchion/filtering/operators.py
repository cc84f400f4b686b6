"""The operators: what can be asked of a column, in words and in SQL."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, literal, types

from stanchion.database.texts import Contains, EndsWith, Lower, StartsWith
from stanchion.filtering.values import stored_type

MOST_VALUES = 100
"""Of one `in`."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One comparison of a column with what was sent."""

    words: str
    """For the document; `{}` is the column's name."""
    condition: Callable[[Any, Any], ColumnElement[bool]]
    """From the column and the value: is it so?"""


def operators(column: Any) -> dict[str, Operator]:
    """Return the operators of a column by name, as its type has them; the empty name is the plain filter."""
    type_ = stored_type(column.type)
    names = isinstance(type_, types.Boolean | types.Enum | types.Uuid)
    return {
        **_EQUALITY,
        **(_NULLS if getattr(column, "nullable", True) else {}),
        **({} if names else _ORDER),
        **(_TEXT if isinstance(type_, types.String) and not names else {}),
    }


def _of_texts(
    compare: Callable[[Any, Any], Any], *, any_case: bool = False
) -> Callable[[Any, Any], ColumnElement[bool]]:
    def condition(column: Any, value: str) -> Any:
        text = literal(value, column.type)
        return compare(Lower(column), Lower(text)) if any_case else compare(column, text)

    return condition


_EQUALITY = {
    "": Operator("Only rows whose `{}` is this.", lambda column, value: column == value),
    "eq": Operator("Only rows whose `{}` is this.", lambda column, value: column == value),
    "ne": Operator(
        "Only rows whose `{}` is not this, those without one too.",
        lambda column, value: column.is_distinct_from(value),
    ),
    "in": Operator(
        f"Only rows whose `{{}}` is one of these: commas separate them, {MOST_VALUES} at the most.",
        lambda column, values: column.in_(values),
    ),
}
_NULLS = {
    "isnull": Operator(
        "`true`: only rows without `{}`. `false`: only rows with it.",
        lambda column, absent: column.is_(None) if absent else column.is_not(None),
    ),
}
_ORDER = {
    "lt": Operator("Only rows whose `{}` is less than this.", lambda column, value: column < value),
    "lte": Operator("Only rows whose `{}` is this or less.", lambda column, value: column <= value),
    "gt": Operator("Only rows whose `{}` is more than this.", lambda column, value: column > value),
    "gte": Operator("Only rows whose `{}` is this or more.", lambda column, value: column >= value),
}
_TEXT = {
    "contains": Operator("Only rows whose `{}` has this in it.", _of_texts(Contains)),
    "startswith": Operator("Only rows whose `{}` begins with this.", _of_texts(StartsWith)),
    "endswith": Operator("Only rows whose `{}` ends with this.", _of_texts(EndsWith)),
    "ieq": Operator(
        "Only rows whose `{}` is this, in upper or lower case.",
        _of_texts(lambda one, other: one == other, any_case=True),
    ),
    "icontains": Operator(
        "Only rows whose `{}` has this in it, in upper or lower case.", _of_texts(Contains, any_case=True)
    ),
    "istartswith": Operator(
        "Only rows whose `{}` begins with this, in upper or lower case.", _of_texts(StartsWith, any_case=True)
    ),
    "iendswith": Operator(
        "Only rows whose `{}` ends with this, in upper or lower case.", _of_texts(EndsWith, any_case=True)
    ),
}
