"""What a field refers to: a table and, where a router declares it, the Resource of its rows."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stanchion.scaffold.fields import Field
from stanchion.scaffold.source import Source
from stanchion.scaffold.tables import Table, Tables


@dataclass(frozen=True, slots=True)
class Declared:
    """A Resource at the top of a router: `todos = Resource(Todo, ..., owner="owner_id")`."""

    module: str
    name: str
    model: str
    has_owner: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """A field that refers to a table, and the Resource of that table if a router declares one."""

    field: Field
    table: Table
    resource: Declared | None

    @property
    def is_guarded(self) -> bool:
        """Tell whether a row of somebody else's is refused."""
        return self.resource is not None and self.resource.has_owner


def references(folder: Path, tables: Tables, fields: Sequence[Field]) -> tuple[Reference, ...]:
    """Return what the fields of a resource refer to. Raises ScaffoldError where there is no such table."""
    found = [(field, tables.find(field.arguments[0])) for field in fields if field.type == "ref"]
    declared = sorted(_declared(folder), key=lambda one: not one.has_owner)
    return tuple(
        Reference(field, table, next((one for one in declared if one.model == table.model), None))
        for field, table in found
    )


def _declared(folder: Path) -> Iterator[Declared]:
    """Give the Resources of the project, file by file."""
    for file in sorted((folder / "routers").glob("*.py")):
        for node in Source.read(file, f"routers/{file.name}").tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            call = getattr(node, "value", None)
            if not isinstance(targets[0], ast.Name) or not isinstance(call, ast.Call) or not call.args:
                continue
            # Also with its row's type said: Resource[Todo](Todo, ...).
            made = call.func.value if isinstance(call.func, ast.Subscript) else call.func
            if ast.unparse(made).rpartition(".")[2] == "Resource":
                model = ast.unparse(call.args[0]).rpartition(".")[2]
                has_owner = any(one.arg == "owner" for one in call.keywords)
                yield Declared(file.stem, targets[0].id, model, has_owner)
