"""Relations that come along with a row where a client asks for them: `embed=customer,lines`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, create_model
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from stanchion.resource.access import Access
from stanchion.resource.table import Described

if TYPE_CHECKING:
    from stanchion.resource.resource import Resource


class Embedding:
    """The relations of a table that may be embedded, each with the resource of what it leads to.

    What comes along is what the caller may see of that resource, in the form of its response. One that leads
    to one row is joined, and costs no statement; one that leads to many costs one more, however many rows
    there are, and all that it leads to come. Raises ValueError for a name that is no relation, or that leads
    to another table.
    """

    def __init__(self, table: Described, resources: Mapping[str, "Resource[Any]"]) -> None:
        self.resources = dict(resources)
        self._relations = {}
        for name, resource in resources.items():
            if name not in table.mapper.relationships:
                raise ValueError(f"{table.model.__name__} has no relation {name!r} to embed.")
            relation = table.mapper.relationships[name]
            if not issubclass(resource.model, relation.mapper.class_):
                raise ValueError(
                    f"{table.model.__name__}.{name} leads to {relation.mapper.class_.__name__}, "
                    f"and not to {resource.model.__name__}."
                )
            self._relations[name] = relation

    @property
    def names(self) -> tuple[str, ...]:
        """Return what may be embedded."""
        return tuple(self.resources)

    @property
    def parameter(self) -> Any:
        """Return the field for the query parameter `embed`."""
        one = f"({'|'.join(map(re.escape, self.names))})"
        words = f"What comes along, separated by commas: {', '.join(self.names)}."
        return Field("", pattern=f"^({one}(,{one})*)?$", description=words, examples=[""])

    def response(self, base: type[BaseModel]) -> type[BaseModel]:
        """Return the schema of a row with what may be embedded; without it, each is left out."""
        if not self.resources:
            return base
        fields: dict[str, Any] = {}
        for name, resource in self.resources.items():
            kind: Any = resource.response
            fields[name] = (list[kind] if self._relations[name].uselist else kind | None, None)
        return create_model(f"{base.__name__}Embedding", __base__=base, **fields)

    def loading(self, asked: str, access: Access[Any]) -> Sequence[ORMOption]:
        """Return the options of the statement that reads the rows, with what the caller may see of others."""
        return [
            (selectinload if self._relations[name].uselist else joinedload)(
                self._relations[name].class_attribute.and_(*access.embedded[name].where)
            )
            for name in self.split(asked)
        ]

    def embedded(self, row: Any, asked: str) -> dict[str, Any]:
        """Return what comes along with a row that was read with `loading`."""
        return {name: self._shown(name, getattr(row, name)) for name in self.split(asked)}

    def split(self, asked: str) -> Iterable[str]:
        """Return the names that were asked for, each once."""
        return dict.fromkeys(filter(None, asked.split(",")))

    def _shown(self, name: str, found: Any) -> Any:
        shown = self.resources[name].shown
        if found is None:
            return None
        return [shown(one) for one in found] if self._relations[name].uselist else shown(found)
