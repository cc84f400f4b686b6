"""The parameters of a resource's path operations, as FastAPI reads them."""

from functools import cached_property
from typing import Annotated, Any

from fastapi import Depends, Query

from stanchion.concurrency import IfMatch, IfNoneMatch, Precondition
from stanchion.errors import PreconditionRequiredError
from stanchion.resource.embedding import Embedding
from stanchion.resource.table import Described
from stanchion.signature import with_parameters


async def _any_version() -> Precondition:
    return Precondition(None)


async def _required(match: IfMatch) -> Precondition:
    if match.tags is None:
        raise PreconditionRequiredError
    return match


_ANY_VERSION = Annotated[Precondition, Depends(_any_version)]
"""The parameter where rows have no versions: it holds for none, and requires none."""


class Parameters:
    """The parameters that follow from a table: its id, its versions, and what may be embedded."""

    def __init__(
        self, table: Described, embedding: Embedding, *, is_versioned: bool, require_match: bool
    ) -> None:
        self._table, self._embedding = table, embedding
        self._is_versioned, self._require_match = is_versioned, require_match

    @cached_property
    def row_id(self) -> Any:
        """Return the parameter for the id in the path, under its own name."""
        name = f"{self._table.name}_id"

        async def row_id(**ids: Any) -> Any:
            return ids[name]

        return Annotated[Any, Depends(with_parameters(row_id, {name: self._table.id_type}))]

    @property
    def match(self) -> Any:
        """Return the parameter for If-Match."""
        if not self._is_versioned:
            return _ANY_VERSION
        return Annotated[Precondition, Depends(_required)] if self._require_match else IfMatch

    @property
    def none_match(self) -> Any:
        """Return the parameter for If-None-Match."""
        return IfNoneMatch if self._is_versioned else _ANY_VERSION

    @property
    def embed(self) -> Any:
        """Return the parameter for what comes along with one row, or None where nothing can."""
        if not self._embedding.names:
            return None
        parameter = self._embedding.parameter
        pattern = next(one.pattern for one in parameter.metadata if hasattr(one, "pattern"))
        return Annotated[str, Query(pattern=pattern, description=parameter.description)]
