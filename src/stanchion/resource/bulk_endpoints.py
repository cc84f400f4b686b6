"""The path operations of many rows: POST, PATCH and DELETE /bulk."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query, Response
from pydantic import BaseModel, TypeAdapter, create_model

from stanchion.errors import ConflictError, ContentTooLargeError, DomainError, responses
from stanchion.resource.access import Access
from stanchion.resource.bulk import Bad, BulkResult, BulkWriter, OnError, each, many
from stanchion.resource.endpoints import Endpoint
from stanchion.resource.signature import typed
from stanchion.resource.writing import new

if TYPE_CHECKING:
    from stanchion.resource.resource import Resource

_ON_ERROR = Annotated[
    OnError,
    Query(description="`stop`: all or nothing. `continue`: those that can be, and a result for each (200)."),
]


class Bulk:
    """The endpoints of many rows of one resource."""

    def __init__(self, resource: "Resource[Any]") -> None:
        self._resource = resource
        self._writer: BulkWriter[Any] = BulkWriter(resource.table, resource.writer)
        shown: Any = resource.response
        self._result = create_model(
            f"{resource.model.__name__}BulkResult", __base__=BulkResult, item=(shown | None, None)
        )
        result: Any = self._result
        self._results: TypeAdapter[Any] = TypeAdapter(list[result])
        self._rows: TypeAdapter[Any] = TypeAdapter(list[shown])
        self._ids: TypeAdapter[Any] = TypeAdapter(list[Any])
        self._many = resource.table.plural.replace("_", " ")

    def create(self, schema: type[BaseModel]) -> Endpoint:
        """POST /bulk: many new rows."""

        async def rows(body: Sequence[Any], access: Access[Any], on_error: OnError = "stop") -> Response:
            items = [one if isinstance(one, Bad) else new(one) for one in body]
            write = partial(self._writer.create, access)
            return self._answer(await each(access, items, write, on_error), on_error, status=201)

        return self._endpoint("create", "POST", rows, {"body": many(schema)}, status=201)

    def update(self, schema: type[BaseModel]) -> Endpoint:
        """PATCH /bulk: changes of many rows, each with its id."""
        key = self._resource.table.key_name
        fields: dict[str, Any] = {key: (self._resource.table.body_id_type, ...)}
        item = create_model(f"{schema.__name__}Item", __base__=schema, **fields)

        async def rows(body: Sequence[Any], access: Access[Any], on_error: OnError = "stop") -> Response:
            items = [one if isinstance(one, Bad) else one.model_dump(exclude_unset=True) for one in body]
            write = partial(self._writer.update, access)
            return self._answer(await each(access, items, write, on_error), on_error, status=200)

        return self._endpoint("update", "PATCH", rows, {"body": many(item)})

    def delete(self) -> Endpoint:
        """DELETE /bulk: many rows, by their ids; it answers with the ids."""
        resource = self._resource

        async def rows(body: Sequence[Any], access: Access[Any], on_error: OnError = "stop") -> Response:
            write = partial(resource.remove_all, access)
            done = await each(access, body, write, on_error)
            return self._answer(done, on_error, status=200, deleted=True)

        return self._endpoint("delete", "DELETE", rows, {"body": many(resource.table.body_id_type)})

    def _endpoint(
        self, verb: str, method: str, call: Any, annotations: dict[str, Any], *, status: int = 200
    ) -> Endpoint:
        resource = self._resource
        doc = (
            f"{verb.capitalize()} up to 1,000 {self._many} in one transaction: all, or none, and then "
            "`errors` names each bad item by its index. With `on_error=continue` those that can be."
        )
        annotations = {**annotations, "access": resource.hooks.writing, "on_error": _ON_ERROR}
        errors: list[type[DomainError]] = [ContentTooLargeError]
        errors += [resource.missing] if verb != "create" else []
        is_conflict = resource.is_blocked if verb == "delete" else resource.can_conflict
        errors += [ConflictError] if is_conflict else []
        done: Any = list[resource.table.id_python] if verb == "delete" else list[resource.response]  # type: ignore[name-defined] # types that are known at run time
        results: Any = list[self._result]  # type: ignore[name-defined] # a type that is made at run time
        documented: dict[int | str, dict[str, Any]] = dict(responses(*errors))
        documented |= (
            {201: {"model": done}, 200: {"model": results}}
            if status == 201
            else {200: {"model": done | results}}
        )
        return Endpoint(
            f"bulk_{verb}",
            method,
            "/bulk",
            typed(call, f"bulk_{verb}_{resource.table.plural}", doc, annotations),
            f"{verb.capitalize()} many {self._many}",
            status,
            documented,
            is_idempotent=verb == "create",
        )

    def _answer(
        self, found: Sequence[Any], on_error: OnError, *, status: int, deleted: bool = False
    ) -> Response:
        if on_error == "continue":
            results = [self._told(index, one, status, deleted=deleted) for index, one in enumerate(found)]
            return _json(self._results, results, 200)
        if deleted:
            return _json(self._ids, list(found), status)
        return _json(self._rows, [self._resource.shown(row) for row in found], status)

    def _told(self, index: int, one: Any, status: int, *, deleted: bool) -> BulkResult:
        if isinstance(one, Bad):
            errors = [{**error, "loc": ["body", index, *error["loc"]]} for error in one.errors]
            return self._result(
                status=422, error="validation_failed", detail="The item is not valid.", errors=errors
            )
        if isinstance(one, DomainError):
            errors = [
                {**error, "loc": ["body", index, *error["loc"][1:]]}
                for error in one.extensions.get("errors", ())
            ]
            return self._result(status=one.status, error=one.code, detail=one.message, errors=errors)
        if deleted:
            return self._result(status=204)
        return self._result(status=status, item=self._resource.shown(one))


def _json(adapter: TypeAdapter[Any], content: Any, status: int) -> Response:
    return Response(adapter.dump_json(content, by_alias=True), status, media_type="application/json")
