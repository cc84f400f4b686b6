"""The columns of a table that lead to other rows, and which rows a client may name there."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stanchion.resource.hooks import Hooks

if TYPE_CHECKING:
    from stanchion.resource.resource import Resource


def referring(
    resource: "Resource[Any]", given: Mapping[str, "Resource[Any] | None"]
) -> dict[str, Hooks[Any]]:
    """Return, by column, the hooks of the resource whose rows alone a client may name there.

    Raises ValueError for a column that does not lead there, and for one that leads to rows with owners and
    is not given.
    """
    table, model = resource.table, resource.model.__name__
    for name, other in given.items():
        table.column(name)
        column = table.referred(name)
        if column is None or (other is not None and column.table is not other.table.table):
            raise ValueError(f"{model}.{name} does not lead to what `references` says.")
    for name in _sent(resource) - given.keys():
        column = table.referred(name)
        if column is None or column.table is table.table:
            continue
        if resource.owner and resource.owner in column.table.columns:
            raise ValueError(
                f"{model}.{name} leads to {column.table.name}, whose rows have owners: say "
                f"in `references` of which resource a client may name rows there, or None for any row."
            )
    return {name: one.hooks for name, one in given.items() if one is not None and one.hooks.is_narrowing}


def referring_to_itself(
    resource: "Resource[Any]", given: Mapping[str, "Resource[Any] | None"]
) -> tuple[str, ...]:
    """Return the columns that a client sends, and that lead to the resource's own table."""
    table = resource.table
    referred = {name: table.referred(name) for name in sorted(_sent(resource) - given.keys())}
    return tuple(
        name for name, column in referred.items() if column is not None and column.table is table.table
    )


def _sent(resource: "Resource[Any]") -> set[str]:
    schemas = filter(None, (resource.create, resource.update))
    return {name for schema in schemas for name in schema.model_fields}
