"""What a request holds for each parameter, read and validated as FastAPI does, planned beforehand.

A reader is made from one parameter of a signature. It puts the value into the arguments, or what is wrong
with it among the errors. What is rare (a parameter of several aliases, a model of headers) is still read by
FastAPI's own functions.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from enum import Enum
from typing import Any

from fastapi._compat import ModelField, Undefined, field_annotation_is_sequence, get_missing_field_error
from fastapi._compat.v2 import _regenerate_error_with_loc, get_cached_model_fields
from fastapi.dependencies.utils import (
    _get_form_models,
    _get_multidict_extras,
    _get_param_aliases,
    _get_param_model,
    _is_json_field,
    _should_embed_body_fields,
    request_params_to_args,
)
from fastapi.params import Param
from pydantic import BaseModel, ValidationError
from starlette.datastructures import Headers, ImmutableMultiDict

Arguments = dict[str, Any]
Errors = list[Any]
Reader = Callable[[Any, Arguments, Errors], None]
"""Takes what was received (the path's parameters, query, headers, cookies or body), arguments and errors."""

_NEVER_COPIED = (bool, bytes, Enum, float, int, str, type(None))
_GREEDY = ("allow", "forbid")
"""What a model's `extra` is where parameters that it has no field for concern it."""


def reader(field: ModelField) -> Reader:
    """Return the reader of a parameter that is in the path, the query, the headers or the cookies."""
    info = field.field_info
    assert isinstance(info, Param)
    model = _get_param_model(field)
    if model is not None:
        aliases = [_get_param_aliases(part) for part in get_cached_model_fields(model)]
        if info.in_.value != "header" and all(len(names) == 1 for names in aliases):
            return _model_reader(field, model)
    else:
        names = _get_param_aliases(field)
        if len(names) == 1:
            return _value_reader(field, names[0][1])
    return _by_fastapi(field)


def body_readers(fields: Sequence[ModelField], *, embed: bool) -> tuple[Reader, ...]:
    """Return the readers of the parameters that are in the body: one is all of it, unless it is embedded."""
    whole = len(fields) == 1 and not embed and not _should_embed_body_fields(list(fields))
    if whole and not _get_form_models(fields[0]):  # a form, where something is overridden that read none
        return (checker(fields[0], ("body",)),)
    return tuple(_member_reader(field) for field in fields)


def checker(field: ModelField, location: tuple[str | int, ...]) -> Reader:
    """Return what validates a value that was read, or takes the default where it is Undefined."""
    adapter = field._type_adapter
    name = field.name
    absent = _absent(field, location)

    def check(value: Any, arguments: Arguments, errors: Errors) -> None:
        if value is Undefined:
            value = absent(errors)
            if value is not Undefined:
                arguments[name] = value
            return
        try:
            arguments[name] = adapter.validator.validate_python(value, from_attributes=True)
        except ValidationError as error:
            found = error.errors(include_url=False)
            errors.extend(_regenerate_error_with_loc(errors=found, loc_prefix=location))

    return check


def _absent(field: ModelField, location: tuple[str | int, ...]) -> Callable[[Errors], Any]:
    """Return what gives the value of a parameter that was not sent: Undefined where that is an error."""
    info = field.field_info

    def required(errors: Errors) -> Any:
        errors.append(get_missing_field_error(location))
        return Undefined

    def default(errors: Errors) -> Any:
        value = deepcopy(field.default)
        if not info.validate_default:
            return value
        value, found = field.validate(value, loc=location)
        errors.extend(found)
        return Undefined if found else value

    if info.is_required():
        return required
    if info.default_factory is None and not info.validate_default and isinstance(info.default, _NEVER_COPIED):
        constant = info.default
        return lambda errors: constant
    return default


def _value_reader(field: ModelField, alias: str) -> Reader:
    info = field.field_info
    assert isinstance(info, Param)
    get = _getter(field, alias)
    check = checker(field, (info.in_.value, alias))

    def read(received: Any, arguments: Arguments, errors: Errors) -> None:
        check(get(received), arguments, errors)

    return read


def _member_reader(field: ModelField) -> Reader:
    """Return the reader of a parameter that is a member of the body."""
    aliases = [alias for alias, _ in _get_param_aliases(field)]
    checks = [(alias, checker(field, ("body", alias))) for alias in aliases]
    location = ("body", aliases[0])

    def read(body: Any, arguments: Arguments, errors: Errors) -> None:
        value, check = Undefined, checks[0][1]
        if body is not Undefined and not isinstance(body, bytes):
            try:
                for alias, check_alias in checks:
                    value = body.get(alias, Undefined)
                    if value is not Undefined:
                        check = check_alias
                        break
            except AttributeError:  # a list, a number, a string or null has no members
                errors.append(get_missing_field_error(location))
                return
        check(value, arguments, errors)

    return read


def _getter(field: ModelField, alias: str) -> Callable[[Any], Any]:
    """Return what takes a value from what was received: Undefined where it was not sent, or is empty."""
    sequence = field_annotation_is_sequence(field.field_info.annotation)
    repeated = sequence and not _is_json_field(field)

    def one(received: Mapping[str, Any]) -> Any:
        value = received.get(alias)
        return Undefined if value is None or (sequence and len(value) == 0) else value

    def all_of(received: Any) -> Any:
        if not isinstance(received, (ImmutableMultiDict, Headers)):
            return one(received)
        return received.getlist(alias) or Undefined

    return all_of if repeated else one


def _model_reader(field: ModelField, model: type[BaseModel]) -> Reader:
    """Return the reader of a model whose fields are parameters of the query, or cookies."""
    info = field.field_info
    assert isinstance(info, Param)
    parts = get_cached_model_fields(model)
    names = [_get_param_aliases(part)[0][0] for part in parts]
    getters = {name: _getter(part, name) for name, part in zip(names, parts, strict=True)}
    known = frozenset(names)
    nullable = info.annotation is not model
    greedy = model.model_config.get("extra") in _GREEDY
    check = checker(field, (info.in_.value,))

    def read(received: Mapping[str, Any], arguments: Arguments, errors: Errors) -> None:
        sent = {}
        for name in received:
            get = getters.get(name)
            if get is not None and (value := get(received)) is not Undefined:
                sent[name] = value
        if len(sent) > 1:  # an error shows its input, and a validator may read it, in the order of the fields
            sent = {name: sent[name] for name in names if name in sent}
        if not known.issuperset(received):
            sent.update(_get_multidict_extras(received, set(known)))
        given = not nullable or not known.isdisjoint(received) or (greedy and bool(sent))
        check(sent if given else Undefined, arguments, errors)

    return read


def _by_fastapi(field: ModelField) -> Reader:
    fields = [field]

    def read(received: Any, arguments: Arguments, errors: Errors) -> None:
        values, found = request_params_to_args(fields, received)
        arguments.update(values)
        errors.extend(found)

    return read
