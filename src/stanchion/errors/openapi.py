"""The errors in the OpenAPI document: which an operation can return, in the shape they have."""

import re
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI

from stanchion.errors import domain
from stanchion.errors.domain import DomainError
from stanchion.errors.problem import MEDIA_TYPE, ErrorResponse, code, phrase

Responses = dict[int | str, dict[str, Any]]

_OPERATIONS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_REF = {"$ref": "#/components/schemas/ErrorResponse"}
_ANYWHERE = "/"
_FASTAPI_OWN = ("HTTPValidationError", "ValidationError")
# By name: the subclasses that an app adds may want more than a message.
_BY_STATUS = {
    kind.status: kind
    for kind in vars(domain).values()
    if isinstance(kind, type) and issubclass(kind, DomainError) and "status" in vars(kind)
}


def responses(*errors: type[DomainError] | DomainError) -> Responses:
    """Document the errors of a path operation or a router: `responses=responses(NotFoundError)`.

    An instance, `NotFoundError("Todo not found", "todo_not_found")`, makes the example exact.
    Several errors of one status become several examples.
    """
    documented: Responses = {}
    for error in errors:
        instance = error if isinstance(error, DomainError) else error()
        entry = documented.setdefault(
            instance.status,
            {
                "model": ErrorResponse,
                "description": phrase(instance.status),
                "content": {MEDIA_TYPE: {"examples": {}}},
            },
        )
        example = _example(instance.status, instance.message, instance.code, instance.extensions)
        entry["content"][MEDIA_TYPE]["examples"][instance.code] = {"value": example}
        if "Retry-After" in instance.headers:
            entry["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return documented


def document_errors(app: FastAPI, *, body_statuses: Iterable[int] = (400,)) -> None:
    """Make `app.openapi()` tell the truth about errors.

    Every error body is an ErrorResponse in `application/problem+json`; an operation that
    wants a key can give 401 and 403, one with a request body `body_statuses`.
    """
    generate = app.openapi
    body = tuple(body_statuses)
    shaped: dict[str, Any] | None = None

    def openapi() -> dict[str, Any]:
        nonlocal shaped
        schema = generate()
        if schema is not shaped:
            _shape(schema, body)
            shaped = schema
        return schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI documents this as the way to extend it


def _shape(schema: dict[str, Any], body_statuses: tuple[int, ...]) -> None:
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in _FASTAPI_OWN:
        components.pop(name, None)
    model = ErrorResponse.model_json_schema(ref_template="#/components/schemas/{model}")
    components.update(model.pop("$defs"))
    components["ErrorResponse"] = model
    for path, item in schema.get("paths", {}).items():
        for method in _OPERATIONS:
            if method in item:
                _shape_operation(item[method], body_statuses)
                _place_examples(path, item[method], components)


_CHALLENGE = {
    "description": "How to say who is asking (RFC 9110, 11.6.1).",
    "schema": {"type": "string"},
    "example": "Bearer",
}


def _shape_operation(operation: dict[str, Any], body_statuses: tuple[int, ...]) -> None:
    documented = operation.setdefault("responses", {})
    missing: set[int] = set()
    if operation.get("security"):
        missing |= {401, 403}
    if "requestBody" in operation:
        missing |= set(body_statuses)
    for status in missing:
        documented.setdefault(str(status), {"description": phrase(status)})
    for status in [key for key in documented if key.isdigit() and int(key) >= 400]:
        _shape_response(int(status), documented[status])
    if "401" in documented:
        documented["401"].setdefault("headers", {}).setdefault("WWW-Authenticate", _CHALLENGE)
    operation["responses"] = dict(sorted(documented.items()))


def _shape_response(status: int, response: dict[str, Any]) -> None:
    """Give one documented error the schema and the media type of a problem; the user's own stay."""
    content: dict[str, Any] = response.setdefault("content", {})
    of_fastapi = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    if of_fastapi.rpartition("/")[2] in (*_FASTAPI_OWN, "ErrorResponse"):
        del content["application/json"]
    if content and MEDIA_TYPE not in content:
        return
    media = content.setdefault(MEDIA_TYPE, {})
    media["schema"] = _REF
    if "examples" not in media and "example" not in media:
        media["example"] = _default_example(status)
    if response["description"] == "Validation Error":
        response["description"] = phrase(status)


def _place_examples(path: str, operation: dict[str, Any], components: dict[str, Any]) -> None:
    """Let each example name this operation's own path and, for a 422, a place of its own.

    Copies: what `responses()` made is shared by all the operations that it was given to.
    """
    instance = re.sub(r"\{.*?\}", "7", path)
    place = _a_place(operation, components)

    def placed(value: Any) -> Any:
        if not isinstance(value, dict) or value.get("instance") != _ANYWHERE:
            return value  # the user's own
        value = {**value, "instance": instance}
        if value.get("errors") == [] and place:
            value["detail"] = f"The request is not valid: {'.'.join(place)}."
            value["errors"] = [{"loc": place, "msg": "Field required", "type": "missing"}]
        return value

    for response in operation["responses"].values():
        media = response.get("content", {}).get(MEDIA_TYPE)
        if media is None or media.get("schema") != _REF:
            continue
        media = dict(media)
        if "example" in media:
            media["example"] = placed(media["example"])
        if "examples" in media:
            media["examples"] = {
                name: {**example, "value": placed(example["value"])}
                for name, example in media["examples"].items()
            }
        response["content"] = {**response["content"], MEDIA_TYPE: media}


def _a_place(operation: dict[str, Any], components: dict[str, Any]) -> list[str]:
    """Return where something may be wrong with this operation: the first field of its body, or parameter."""
    for media in operation.get("requestBody", {}).get("content", {}).values():
        name = media.get("schema", {}).get("$ref", "").rpartition("/")[2]
        return ["body", *list(components.get(name, {}).get("properties", {}))[:1]]
    for parameter in operation.get("parameters", ()):
        return [parameter["in"], parameter["name"]]
    return []


def _default_example(status: int) -> dict[str, Any]:
    if status == 422:
        return _example(422, "The request is not valid.", "validation_failed", {"errors": []})
    if status not in _BY_STATUS:
        return _example(status, phrase(status), code(status), {})
    known = _BY_STATUS[status]()
    return _example(status, known.message, known.code, known.extensions)


def _example(status: int, detail: str, error: str, extensions: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": phrase(status),
        "status": status,
        "detail": detail,
        "instance": _ANYWHERE,
        "error": error,
        "request_id": "0b3a6d0c6a5b4bb0a5b1c0d5b7d0f3c9",
        **extensions,
    }
