"""The tables of a project, as its models.py has them, and how a test makes a row of one."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from stanchion.scaffold.errors import ScaffoldError
from stanchion.scaffold.source import Source

_VALUES = {
    "int": "secrets.randbelow(2**31)",
    "float": "1.5",
    "bool": "False",
    "Decimal": "Decimal(0)",
    "date": "date.fromordinal(secrets.randbelow(3_000_000) + 1)",
    "datetime": "now()",
    "time": "time(9, 30)",
    "UUID": "uuid4()",
}


@dataclass(frozen=True, slots=True)
class Table:
    """A class of models.py with a table."""

    model: str
    name: str
    classes: tuple[ast.ClassDef, ...]
    """What its columns are written in: its bases, then itself."""

    @property
    def has_owner(self) -> bool:
        """Tell whether its rows are somebody's."""
        return any(name == "owner_id" for name, _, _ in self.fields())

    @property
    def has_big_id(self) -> bool:
        """Tell whether its primary key is an `id` that a number of 64 bits can refer to."""
        found = next((node for name, node, _ in self.fields() if name == "id"), None)
        return found is not None and "int" in ast.unparse(found.annotation)

    def fields(self) -> Iterator[tuple[str, ast.AnnAssign, dict[str, ast.expr]]]:
        """Give its columns: the name, the line, what its Field is given."""
        lines = {
            node.target.id: node
            for one in self.classes
            for node in one.body
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        }
        for name, node in lines.items():
            given = node.value.keywords if isinstance(node.value, ast.Call) else []
            yield name, node, {one.arg: one.value for one in given if one.arg}


@dataclass(frozen=True)
class Tables:
    """The tables of a project."""

    models: Source

    def __iter__(self) -> Iterator[Table]:
        for node in self.models.classes():
            if any(one.arg == "table" for one in node.keywords):
                yield Table(node.name, _table_name(node), tuple(self._lineage(node)))

    def _lineage(self, node: ast.ClassDef) -> Iterator[ast.ClassDef]:
        """Give the bases of a class that are in models.py as well, then the class."""
        names = {ast.unparse(base) for base in node.bases}
        for one in self.models.classes():
            if one.name in names and one.lineno < node.lineno:
                yield from self._lineage(one)
        yield node

    def find(self, name: str) -> Table:
        """Return a table. Raises ScaffoldError where there is none, or nothing can refer to it."""
        known = {table.name: table for table in self}
        if name not in known:
            raise ScaffoldError(
                f"There is no table {name!r} to refer to: name one of {', '.join(sorted(known))}."
            )
        if not known[name].has_big_id:
            raise ScaffoldError(f"The table {name!r} has no `id` that is a number: refer to another.")
        return known[name]

    def values(self, table: Table, *, within: tuple[str, ...] = (), owner: str = "") -> list[str]:
        """Return the arguments of its class that make a row which every column allows.

        `owner` is the code for its owner, and for that of each row which it refers to in turn.
        Raises ScaffoldError for a column of a type that is not known.
        """
        if table.name in within:
            raise ScaffoldError(f"A row of {table.name!r} cannot be made for the tests: it refers to itself.")
        return [
            f"{name}={owner}"
            if owner and name == "owner_id"
            else f"{name}={self._value(table, name, node, given, within, owner)}"
            for name, node, given in table.fields()
            if _is_required(node, given) or (owner and name == "owner_id")
        ]

    def _value(
        self,
        table: Table,
        name: str,
        node: ast.AnnAssign,
        given: dict[str, ast.expr],
        within: tuple[str, ...],
        owner: str,
    ) -> str:
        target = next(_foreign(given), "")
        if target:
            other = self.find(target.rpartition(".")[0].rpartition(".")[2])
            values = self.values(other, within=(*within, table.name), owner=owner)
            return f"await add(session, {other.model}({', '.join(values)}))"
        annotation = ast.unparse(node.annotation)
        if annotation == "str":
            longest = given.get("max_length")
            length = longest.value if isinstance(longest, ast.Constant) else 16
            return "secrets.token_hex(8)" + (
                f"[:{length}]" if isinstance(length, int) and length < 16 else ""
            )
        if annotation in _VALUES:
            return _VALUES[annotation]
        if any(one.name == annotation and "Enum" in ast.unparse(one) for one in self.models.classes()):
            return f"next(iter({annotation}))"
        raise ScaffoldError(
            f"A row of {table.name!r} cannot be made for the tests, {name} is {annotation}: refer to another."
        )


def _table_name(node: ast.ClassDef) -> str:
    for one in node.body:
        targets = one.targets if isinstance(one, ast.Assign) else [getattr(one, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__tablename__" for target in targets):
            return _text(getattr(one, "value", None))
    return node.name.lower()


def _is_required(node: ast.AnnAssign, given: dict[str, ast.expr]) -> bool:
    if node.value is None:
        return "ClassVar" not in ast.unparse(node.annotation)
    if not isinstance(node.value, ast.Call):
        return False
    if "Relationship" in ast.unparse(node.value.func):
        return False
    return not node.value.args and not given.keys() & {"default", "default_factory"}


def _foreign(given: dict[str, ast.expr]) -> Iterator[str]:
    """Give the columns that a Field refers to: by its `foreign_key`, or in a ForeignKey."""
    if target := _text(given.get("foreign_key")):
        yield target
    for value in given.values():
        for one in ast.walk(value):
            if isinstance(one, ast.Call) and ast.unparse(one.func).endswith("ForeignKey") and one.args:
                yield from filter(None, [_text(one.args[0])])


def _text(node: ast.AST | None) -> str:
    """Return what a text says, nothing where it is none."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
