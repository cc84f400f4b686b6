"""Relations that come along with a row where a client asks for them: `embed=customer,lines`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field, create_model
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from stanchion.resource.table import Described


class Embedding:
    """The relations of a table that may be embedded, each with the schema of what it leads to.

    One that leads to one row is joined, and costs no statement; one that leads to many costs one more,
    however many rows there are. Raises ValueError for a name that is no relation.
    """

    def __init__(self, table: Described, schemas: Mapping[str, type[BaseModel]]) -> None:
        self._schemas = dict(schemas)
        self._relations = {}
        for name in schemas:
            if name not in table.mapper.relationships:
                raise ValueError(f"{table.model.__name__} has no relation {name!r} to embed.")
            self._relations[name] = table.mapper.relationships[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Return what may be embedded."""
        return tuple(self._schemas)

    @property
    def parameter(self) -> Any:
        """Return the field for the query parameter `embed`."""
        one = f"({'|'.join(map(re.escape, self.names))})"
        words = f"What comes along, separated by commas: {', '.join(self.names)}."
        return Field("", pattern=f"^({one}(,{one})*)?$", description=words, examples=[""])

    def response(self, base: type[BaseModel]) -> type[BaseModel]:
        """Return the schema of a row with what may be embedded; without it, each is left out."""
        if not self._schemas:
            return base
        fields: dict[str, Any] = {}
        for name, schema in self._schemas.items():
            kind: Any = schema
            fields[name] = (list[kind] if self._relations[name].uselist else kind | None, None)
        return create_model(f"{base.__name__}Embedding", __base__=base, **fields)

    def loading(self, asked: str) -> Sequence[ORMOption]:
        """Return the options of the statement that reads the rows."""
        return [
            (selectinload if self._relations[name].uselist else joinedload)(
                self._relations[name].class_attribute
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
        schema = self._schemas[name]
        if found is None:
            return None
        if self._relations[name].uselist:
            return [schema.model_validate(one, from_attributes=True) for one in found]
        return schema.model_validate(found, from_attributes=True)
