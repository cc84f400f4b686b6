"""The names of a new resource, from the one that was typed; and those that nothing new may have."""

import keyword
import re
from dataclasses import dataclass
from typing import Self

from stanchion.scaffold.errors import ScaffoldError

_WORDS = re.compile(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*")
_LONGEST = 40
"""Letters of a name: PostgreSQL's longest, of an index, is 63 bytes."""

_OF_PYTHON = frozenset({"bool", "date", "datetime", "float", "int", "now", "str", "time"})
_OF_MODELS = frozenset(
    {
        *(
            "cls",
            "construct",
            "copy",
            "dict",
            "from_orm",
            "json",
            "metadata",
            "parse_file",
            "parse_obj",
            "parse_raw",
        ),
        *("registry", "schema", "schema_json", "sqlmodel_update", "update_forward_refs", "validate"),
    }
)
_OF_LISTS = frozenset({"count", "cursor", "embed", "format", "limit", "offset", "sort"})
_OF_SCHEMAS = frozenset({"create", "response", "update"})
OF_EVERY_ROW = ("id", "owner_id", "version", "created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class Names:
    """What a resource is called: `line_item`, `line_items`, `LineItem`."""

    one: str
    many: str

    @classmethod
    def of(cls, typed: str, plural: str = "") -> Self:
        """Read `invoice`, `line-item` or `LineItem`. Raises ScaffoldError for what cannot be a name."""
        one = _snake(typed)
        _check(one, typed)
        many = _snake(plural) if plural else _plural(one)
        _check(many, plural or many)
        return cls(one, many)

    @property
    def model(self) -> str:
        """Return the name of the class."""
        return camel(self.one)

    @property
    def path(self) -> str:
        """Return where its endpoints are."""
        return f"/api/{self.many}"

    @property
    def code(self) -> str:
        """Return what the library calls one, from its class: `line_item` of `LineItem`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.model).lower()

    @property
    def words(self) -> str:
        """Return the name of one for a reader: `line item`."""
        return self.one.replace("_", " ")

    @property
    def with_article(self) -> str:
        """Return `an invoice`."""
        return f"{'an' if self.one[0] in 'aeiou' else 'a'} {self.words}"


def camel(name: str) -> str:
    """Return `LineItem` of `line_item`."""
    return "".join(part.capitalize() for part in name.split("_"))


def check_field(name: str) -> None:
    """Raise ScaffoldError where a column of a resource cannot have this name."""
    if not _WORDS.fullmatch(name) or len(name) > _LONGEST:
        raise ScaffoldError(
            f"{name!r} cannot be a field's name: use small letters, digits and single '_', "
            f"a letter first, at most {_LONGEST}."
        )
    if name in OF_EVERY_ROW or name == "owner":
        raise ScaffoldError(f"{name!r} is in every resource already: leave it out, or choose another name.")
    whose = _whose(name)
    if whose:
        raise ScaffoldError(f"{name!r} is a name of {whose}: choose another for the field.")


def _whose(name: str) -> str:
    if keyword.iskeyword(name) or name in _OF_PYTHON:
        return "Python's"
    if name in _OF_MODELS or name.startswith("model_"):
        return "Pydantic's or SQLModel's"
    if name in _OF_LISTS:
        return "the query of every list"
    return "the schemas" if name in _OF_SCHEMAS else ""


def _check(name: str, typed: str) -> None:
    if not _WORDS.fullmatch(name) or len(name) > _LONGEST:
        raise ScaffoldError(
            f"{typed!r} cannot be a resource's name: use letters, digits and single '_', "
            f"a letter first, at most {_LONGEST}."
        )
    if keyword.iskeyword(name) or keyword.iskeyword(camel(name)):
        raise ScaffoldError(f"{typed!r} is a word of Python's: choose another name.")
    if name.startswith(("stanchion_", "alembic_", "sqlite_", "pg_")):
        raise ScaffoldError(f"{typed!r} begins like the tables of others: choose another name.")


def _snake(typed: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", typed).replace("-", "_").lower()


def _plural(one: str) -> str:
    if re.search(r"[^aeiou]y$", one):
        return f"{one[:-1]}ies"
    return f"{one}es" if one.endswith(("s", "x", "z", "ch", "sh")) else f"{one}s"
