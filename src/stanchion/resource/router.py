"""The router of a resource: its path operations, in the order in which they are asked whether they match."""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends

from stanchion.errors import UnavailableError, responses
from stanchion.resource import endpoints
from stanchion.resource.bulk_endpoints import Bulk
from stanchion.resource.endpoints import Endpoint
from stanchion.resource.export import export
from stanchion.resource.feed import feed, ticket, warn_of_untold
from stanchion.resource.imports import import_
from stanchion.resource.route import ResourceRoute, WritingRoute

if TYPE_CHECKING:
    from stanchion.resource.resource import Resource

OPERATIONS = (
    *("list", "create", "read", "replace", "update", "delete", "restore"),
    *("bulk_create", "bulk_update", "bulk_delete", "export", "import", "events", "events_ticket"),
)


def router_of(
    resource: "Resource[Any]", prefix: str, without: Collection[str], given: Mapping[str, Any]
) -> APIRouter:
    """Return a router with the path operations; `given` are the options of APIRouter.

    Raises ValueError for a name in `without` that there is not.
    """
    if unknown := set(without) - set(OPERATIONS):
        raise ValueError(f"There is no operation {', '.join(sorted(unknown))}: name {', '.join(OPERATIONS)}.")
    options = dict(given)
    errors = {**responses(UnavailableError), **options.pop("responses", {})}
    own = WritingRoute if "route_class" not in options else None
    options.setdefault("route_class", ResourceRoute)
    router = APIRouter(prefix=prefix, responses=errors, **options)
    for one in _endpoints(resource, without):
        if one.operation not in without:
            router.add_api_route(
                one.path,
                one.call,
                methods=[one.method],
                status_code=one.status,
                summary=one.summary,
                responses=one.responses,
                response_model=one.response_model,
                **one.options,
                route_class_override=None if one.runs_once else own,
                # After the hooks: whom they refuse is told nothing that was stored.
                dependencies=[resource.hooks.writing.__metadata__[0], Depends(resource.idempotency)]
                if one.is_idempotent and resource.idempotency
                else None,
            )
    return router


def _endpoints(resource: "Resource[Any]", without: Collection[str]) -> Iterator[Endpoint]:
    # One after the other is asked whether it matches, twice: what is asked for most stands first.
    yield endpoints.list_(resource)
    if resource.create:
        yield endpoints.create(resource)
    yield endpoints.read(resource)
    if resource.update:
        yield endpoints.update(resource, "PUT")
        yield endpoints.update(resource, "PATCH")
    yield endpoints.delete(resource)
    if resource.deleted_at:
        yield endpoints.restore(resource)
    bulk = Bulk(resource)
    if resource.create:
        yield bulk.create(resource.create)
    if not resource.require_match:  # of many nothing can be matched
        if resource.update:
            yield bulk.update(resource.update)
        yield bulk.delete()
    if "export" not in without:
        yield export(resource)
    if resource.create and "import" not in without:
        yield import_(resource, resource.create)
    if resource.events is not None and resource.announcer is not None:
        if "events" not in without:
            warn_of_untold(resource.table, resource.owner)
        yield feed(resource, resource.events)
        if resource.caller_dependency is not None:
            yield ticket(resource, resource.events)
