"""The dependencies of a resource, and what a request may reach by what they answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.caller import Caller
from stanchion.resource.access import Access
from stanchion.resource.signature import own
from stanchion.resource.table import Described
from stanchion.signature import with_parameters

Row = TypeVar("Row")
Dependency = Callable[..., Any]


@dataclass(frozen=True)
class Hooks(Generic[Row]):
    """What a project asks of each request to a table. `owner` and `deleted_at` name columns."""

    table: Described
    session: Dependency
    caller: Dependency | None = None
    scope: Dependency | None = None
    authorize: Dependency | None = None
    values: Dependency | None = None
    update_values: Dependency | None = None
    owner: str = ""
    deleted_at: str = ""
    references: Mapping[str, "Hooks[Any]"] = field(default_factory=dict)
    """By column, those of the resource whose rows alone may be named there."""
    own_references: tuple[str, ...] = ()
    """The columns that lead to this table itself."""
    embedded: Mapping[str, "Hooks[Any]"] = field(default_factory=dict)
    """By relation, those of the resource whose rows come along."""

    @property
    def is_narrowing(self) -> bool:
        """Tell whether there may be rows that a caller does not see."""
        return bool(self.owner or self.deleted_at or self.scope)

    @property
    def reading(self) -> Any:
        """Return the parameter for the rows that may be seen."""
        return self._accesses[0]

    @property
    def writing(self) -> Any:
        """Return the parameter for the rows that may be changed, with what is filled."""
        return self._accesses[1]

    @property
    def restoring(self) -> Any:
        """Return the parameter for the rows that may be changed, those that are deleted among them."""
        return self._accesses[2]

    @cached_property
    def _accesses(self) -> tuple[Any, Any, Any]:
        reading = _parameters(session=self.session, caller=self.caller, scope=self.scope)
        reading |= {f"with_{name}": one.reading for name, one in self.embedded.items()}
        writing = reading | _parameters(
            authorize=self.authorize, values=self.values, update_values=self.update_values
        )
        writing |= {f"at_{name}": one.reading for name, one in self.references.items()}

        def parameter(annotations: dict[str, Any], *, with_deleted: bool = False) -> Any:
            async def access(**found: Any) -> Access[Row]:
                return self._access(found, with_deleted=with_deleted)

            return Annotated[Any, Depends(with_parameters(own(access), annotations))]

        return parameter(reading), parameter(writing), parameter(writing, with_deleted=True)

    def _access(self, found: dict[str, Any], *, with_deleted: bool) -> Access[Row]:
        caller = found.get("caller")
        scope = [] if self.scope is None else conditions(self.table.model, self.scope, found["scope"])
        values, changes = (self._filled(found.get(name)) for name in ("values", "update_values"))
        if self.owner:
            assert caller is not None  # a resource with an owner has a dependency that says who asks
            values[self.owner] = caller.user_id
        narrow = partial(self._where, caller, scope, with_deleted)
        own: Access[Row] = Access(
            self.table.model,
            found["session"],
            caller,
            narrow,
            values,
            self.owner,
            changes,
            {name: found[f"with_{name}"] for name in self.embedded if f"with_{name}" in found},
        )
        if not self.references and not self.own_references:
            return own
        references = {name: found[f"at_{name}"] for name in self.references if f"at_{name}" in found}
        if self.is_narrowing:
            references |= dict.fromkeys(self.own_references, own)
        return replace(own, references=references)

    def _where(
        self, caller: Caller | None, scope: list[ColumnElement[bool]], with_deleted: bool
    ) -> tuple[ColumnElement[bool], ...]:
        where: list[ColumnElement[bool]] = []
        if self.owner:
            assert caller is not None
            owner = self.table.column(self.owner)
            where.append(owner.is_(None) if caller.user_id is None else owner == caller.user_id)
        if self.deleted_at and not with_deleted:
            where.append(self.table.column(self.deleted_at).is_(None))
        return (*where, *scope)

    def reach(self, session: AsyncSession, caller: Caller | None, *, writing: bool = False) -> Access[Row]:
        """Return what a caller may reach where no request is asking.

        Raises ValueError where only a request can say it: by the project's own dependencies.
        """
        asked = ("scope", "authorize", "values", "update_values") if writing else ("scope",)
        if set_ := [name for name in asked if getattr(self, name) is not None]:
            raise ValueError(f"Without a request nobody can ask {self.table.model.__name__}'s {set_[0]!r}.")
        if self.owner and caller is None:
            raise ValueError(f"The rows of {self.table.model.__name__} have owners: say whose, `caller=`.")
        found: dict[str, Any] = {"session": session, "caller": caller}
        if writing:
            found |= {f"at_{name}": one.reach(session, caller) for name, one in self.references.items()}
        return self._access(found, with_deleted=False)

    def _filled(self, values: Mapping[str, Any] | None) -> dict[str, Any]:
        for name in values or ():
            self.table.column(name)
        return dict(values or {})


def _parameters(**dependencies: Dependency | None) -> dict[str, Any]:
    return {name: Annotated[Any, Depends(one)] for name, one in dependencies.items() if one is not None}


def conditions(model: type[Any], scope: Dependency, answer: Any) -> list[ColumnElement[bool]]:
    """Return what a `scope` answered. Raises TypeError for None: a forgotten branch shows no rows."""
    found = list(answer) if isinstance(answer, list | tuple) else [answer]
    for one in found:
        if not isinstance(one, ColumnElement):
            name = getattr(scope, "__qualname__", type(scope).__qualname__)
            raise TypeError(
                f"{name}, the scope of {model.__name__}, returned {type(one).__name__} where a condition "
                "on its rows is wanted: for all of them return `()`, for none `sqlalchemy.false()`."
            )
    return found
