"""The path operations of a resource: each is made for it, and reads like one that is written by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request, Response

from stanchion.concurrency import Precondition, etag
from stanchion.errors import (
    ConflictError,
    DomainError,
    ForbiddenError,
    PreconditionFailedError,
    PreconditionRequiredError,
    responses,
)
from stanchion.headers import headers
from stanchion.pagination import Selection
from stanchion.resource import short
from stanchion.resource.access import Access
from stanchion.resource.reader import as_json, direct_of
from stanchion.resource.signature import typed
from stanchion.resource.writing import new
from stanchion.routing.short import shorten

if TYPE_CHECKING:
    from stanchion.resource.resource import Resource

Documented = dict[int | str, dict[str, Any]]


@dataclass(frozen=True)
class Endpoint:
    """One path operation, as `APIRouter.add_api_route` takes it."""

    operation: str
    """What it is called in `without`: list, create, read, replace, update, delete, restore."""
    method: str
    path: str
    call: Callable[..., Any]
    summary: str
    status: int = 200
    responses: Documented = field(default_factory=dict)
    response_model: Any = None
    is_idempotent: bool = False
    """It takes an Idempotency-Key, where the resource has what keeps replies."""
    runs_once: bool = False
    """It cannot be run again after a deadlock: its body is gone."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What else `add_api_route` takes."""


def list_(resource: "Resource[Any]") -> Endpoint:
    """GET /: the rows that the caller may see, a page at a time."""

    async def rows(access: Access[Any], selection: Selection, response: Response) -> Any:  # 401 before 422
        asked = vars(selection.query).get("embed", "")
        if not asked and resource.reader is not None:
            direct = direct_of(access, selection.request)
            found = direct and await resource.reader.page(direct, access.caller, selection)
            if found:
                short.understood(selection.request, selection)
                text, response.headers["Link"] = found
                return as_json(text, response)
        statement = access.select().options(*resource.embedding.loading(asked, access))
        # What was loaded before, by whomever, was not narrowed.
        statement = statement.execution_options(populate_existing=bool(asked))
        read = await selection.fetch(access.session, statement, response)
        return [resource.shown(row, asked) for row in read]

    many = resource.table.plural.replace("_", " ")
    default = resource.listing.sorting.default
    doc = f"List {many}, by {default} where no `sort` is given. `Link` leads to the other pages."
    call = typed(
        rows,
        f"list_{resource.table.plural}",
        doc,
        {"selection": Annotated[Selection, Depends(resource.listing)], "access": resource.hooks.reading},
    )
    shorten(call, partial(short.page, resource))
    return Endpoint(
        "list",
        "GET",
        "",
        call,
        f"List {many}",
        responses={200: headers("Link", "X-Total-Count")},
        response_model=list[resource.embedding.response(resource.response)],  # type: ignore[misc] # known at run time
        options={"response_model_exclude_unset": bool(resource.embedding.names)},
    )


def create(resource: "Resource[Any]") -> Endpoint:
    """POST /: a new row of the caller's."""

    async def one(body: Any, request: Request, response: Response, access: Access[Any]) -> Any:
        values = new(body)
        inserter = None if short.has_tried(request) else resource.inserter
        if inserter is not None and (direct := inserter.direct(access, request, values)) is not None:
            made = await inserter.create(direct, access.caller, {**values, **access.values})
            if made is not None:
                response.headers["Location"] = resource.place(request, made.key)
                if resource.is_versioned:
                    response.headers["ETag"] = etag(made.version)
                return as_json(made.text, response, 201)
        row = await resource.writer.create(access, values)
        response.headers["Location"] = resource.place(request, getattr(row, resource.table.key_name))
        resource.tag(response, row)
        return resource.shown(row)

    one_of = resource.table.with_article
    call = typed(
        one,
        f"create_{resource.table.name}",
        f"Create {one_of} of yours.",
        {"body": resource.create, "access": resource.hooks.writing},
    )
    shorten(call, partial(short.create, resource), short.replaced(resource))
    names = ("Location", "ETag") if resource.is_versioned else ("Location",)
    errors = responses(ConflictError) if resource.can_conflict else {}
    errors |= responses(ForbiddenError) if resource.is_users_alone else {}
    return Endpoint(
        "create",
        "POST",
        "",
        call,
        f"Create {one_of}",
        201,
        {201: headers(*names), **errors},
        resource.response,
        is_idempotent=True,
    )


def read(resource: "Resource[Any]") -> Endpoint:
    """GET /{id}: one row, or 304 while it has not changed."""

    async def one(
        row_id: Any,
        match: Precondition,
        request: Request,
        response: Response,
        access: Access[Any],
        embed: str = "",
    ) -> Any:
        found, direct = None, direct_of(access, request)
        if not embed and resource.reader is not None and direct is not None:
            found = await resource.reader.one(direct, access.caller, row_id)
        if found == "missing":
            raise resource.missing
        if found is not None:
            text, version = found
            if resource.is_versioned:
                response.headers["ETag"] = etag(version)
                if match.holds(etag(version)):
                    return Response(status_code=304, headers={"ETag": etag(version)})
            return as_json(text, response)
        row = await resource.one(access, row_id, *resource.embedding.loading(embed, access))
        if embed:  # what comes along has versions of its own: no ETag stands for it all
            return resource.shown(row, embed)
        if resource.is_versioned and match.holds(etag(row.version)):
            return Response(status_code=304, headers={"ETag": etag(row.version)})
        resource.tag(response, row)
        return resource.shown(row)

    one_of = resource.table.with_article
    call = typed(
        one,
        f"read_{resource.table.name}",
        f"Read one of your {resource.table.plural.replace('_', ' ')}."
        + (" With `If-None-Match`, 304 while it has not changed." if resource.is_versioned else ""),
        {
            "row_id": resource.parameters.row_id,
            "match": resource.parameters.none_match,
            "access": resource.hooks.reading,
            "embed": resource.parameters.embed,
        },
    )
    shorten(call, partial(short.read, resource))
    documented: Documented = {**responses(resource.missing)}
    if resource.is_versioned:
        documented |= {200: headers("ETag"), 304: headers("ETag")}
    return Endpoint(
        "read",
        "GET",
        resource.item,
        call,
        f"Read {one_of}",
        responses=documented,
        response_model=resource.embedding.response(resource.response),
        options={"response_model_exclude_unset": bool(resource.embedding.names)},
    )


def update(resource: "Resource[Any]", method: str) -> Endpoint:
    """PUT or PATCH /{id}: the fields that are sent change, the others stay."""

    async def one(
        row_id: Any, body: Any, match: Precondition, response: Response, access: Access[Any]
    ) -> Any:
        row = await resource.writer.update(access, row_id, body.model_dump(exclude_unset=True), match)
        resource.tag(response, row)
        return resource.shown(row)

    one_of, replaces = resource.table.with_article, method == "PUT"
    call = typed(
        one,
        f"{'replace' if replaces else 'update'}_{resource.table.name}",
        "Change the fields that are sent; the others stay." + _MATCHED * resource.is_versioned,
        {
            "row_id": resource.parameters.row_id,
            "body": resource.update,
            "match": resource.parameters.match,
            "access": resource.hooks.writing,
        },
    )
    documented: Documented = {200: headers("ETag")} if resource.is_versioned else {}
    documented |= responses(resource.missing, *_preconditions(resource))
    documented |= responses(ConflictError) if resource.can_conflict else {}
    return Endpoint(
        "replace" if replaces else "update",
        method,
        resource.item,
        call,
        f"Change {one_of}, as PATCH does" if replaces else f"Change {one_of}",
        responses=documented,
        response_model=resource.response,
    )


def delete(resource: "Resource[Any]") -> Endpoint:
    """DELETE /{id}."""

    async def one(row_id: Any, match: Precondition, access: Access[Any]) -> None:
        await resource.remove(access, row_id, match)

    one_of = resource.table.with_article
    call = typed(
        one,
        f"delete_{resource.table.name}",
        f"Delete one of your {resource.table.plural.replace('_', ' ')}." + _MATCHED * resource.is_versioned,
        {
            "row_id": resource.parameters.row_id,
            "match": resource.parameters.match,
            "access": resource.hooks.writing,
        },
    )
    errors = [resource.missing, *_preconditions(resource)]
    if resource.is_blocked:
        errors.append(ConflictError)
    return Endpoint("delete", "DELETE", resource.item, call, f"Delete {one_of}", 204, {**responses(*errors)})


def restore(resource: "Resource[Any]") -> Endpoint:
    """POST /{id}/restore: what was deleted is back."""

    async def one(row_id: Any, match: Precondition, response: Response, access: Access[Any]) -> Any:
        row = await resource.writer.restore(access, row_id, resource.deleted_at, match)
        resource.tag(response, row)
        return resource.shown(row)

    call = typed(
        one,
        f"restore_{resource.table.name}",
        f"Bring back {resource.table.with_article} that was deleted; one that was not stays as it is."
        + _MATCHED * resource.is_versioned,
        {
            "row_id": resource.parameters.row_id,
            "match": resource.parameters.match,
            "access": resource.hooks.restoring,
        },
    )
    documented: Documented = {200: headers("ETag")} if resource.is_versioned else {}
    errors = [resource.missing, *_preconditions(resource)]
    errors += [ConflictError] if resource.can_conflict else []
    return Endpoint(
        "restore",
        "POST",
        f"{resource.item}/restore",
        call,
        f"Restore {resource.table.with_article}",
        responses={**documented, **responses(*errors)},
        response_model=resource.response,
    )


_MATCHED = " With `If-Match`, only that version."


def _preconditions(resource: "Resource[Any]") -> list[type[DomainError]]:
    if not resource.is_versioned:
        return []
    return [PreconditionFailedError, *([PreconditionRequiredError] if resource.require_match else [])]
