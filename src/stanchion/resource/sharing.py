"""Who else may work in the session of a request, or may yet have it rolled back."""

from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.database import Database
from stanchion.database.session import RequestSession
from stanchion.idempotency import Idempotency
from stanchion.place import place
from stanchion.reply import has_keepers
from stanchion.resource.signature import is_own

_SHARED = "stanchion_shared"


def is_shared(request: Request, session: AsyncSession, dependency: Any) -> bool:
    """Tell whether what a path operation of a resource writes has to wait for the request's own commit.

    Not where the session comes from a Database itself, was asked for once in this request, and in the
    whole tree of its dependencies by what belongs to the resource alone: then nobody else can have it. (Who
    asks for it by hand after the row was written has a transaction of its own.) Nor may a keeper of the
    reply, or a dependency that ends before the commit, still refuse the row.
    """
    if not isinstance(session, RequestSession) or session.times_given > 1 or has_keepers(request):
        return True
    if getattr(request.app, "dependency_overrides", None):  # of tests, and of this moment
        return True
    where = place(request.scope)
    dependant = getattr(where, "dependant", None)
    if dependant is None or getattr(dependency, "__func__", None) is not Database.get_session:
        return True
    if not hasattr(where, _SHARED):
        setattr(where, _SHARED, _is_shared(dependant, dependency))
    known: bool = getattr(where, _SHARED)
    return known


def _is_shared(own: Dependant, dependency: Any) -> bool:
    """Tell whether below this one, which is the resource's, one that is not comes to the session."""
    for one in own.dependencies:
        if one.call == dependency:
            continue
        is_ours = is_own(one.call) or isinstance(one.call, Idempotency)
        if _is_shared(one, dependency) if is_ours else _reaches(one, dependency):
            return True
    return False


def _reaches(foreign: Dependant, dependency: Any) -> bool:
    return (
        foreign.call == dependency
        or foreign.scope == "function"  # what it does at its end comes before the commit
        or any(_reaches(one, dependency) for one in foreign.dependencies)
    )
