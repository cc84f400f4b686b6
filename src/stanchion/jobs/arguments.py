"""The arguments of a job's function: checked by its signature, and as JSON in between."""

import inspect
import json
from collections.abc import Callable
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError
from pydantic_core import PydanticSerializationError

from stanchion.jobs.errors import ArgumentsError

_CONFIG = ConfigDict(
    extra="forbid", ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants"
)
_NAMELESS = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
)


class Arguments:
    """What a function takes, by its annotations; a parameter annotated `context_type` is given, not sent.

    Raises TypeError for a function that no stored JSON could call: a parameter without a name or a
    type, a type that JSON cannot hold, or a secret, which would lie in the database as it is.
    """

    def __init__(self, function: Callable[..., Any], context_type: type) -> None:
        self._name = function.__name__
        hints = get_type_hints(function, include_extras=True)
        parameters = inspect.signature(function).parameters.values()
        contexts = [one.name for one in parameters if hints.get(one.name) is context_type]
        self.context = contexts[0] if contexts else None
        sent = [one for one in parameters if one.name not in contexts]
        for one in parameters:
            if one.kind in _NAMELESS or one.name not in hints:
                raise TypeError(f"{self._name}: the parameter {one.name!r} needs a name and a type.")
        self._signature = inspect.Signature(sent)
        self.required = [one.name for one in sent if one.default is one.empty]
        self._model = _model(self._name, [(one, hints[one.name]) for one in sent])
        self._names = {name: field.alias or name for name, field in self._model.model_fields.items()}

    def dump(self, *args: Any, **kwargs: Any) -> str:
        """Return a call's arguments as JSON; what was left out is its default when the job runs.

        Raises ArgumentsError.
        """
        try:
            checked = self._model.model_validate(self._signature.bind(*args, **kwargs).arguments)
            return checked.model_dump_json(by_alias=True, include=checked.model_fields_set)
        except TypeError as exc:
            raise ArgumentsError(f"{self._name}: {exc}.") from None
        except PydanticSerializationError:
            raise ArgumentsError(f"{self._name}: an argument has no form in JSON.") from None
        except ValidationError as exc:
            raise ArgumentsError(_sentence(self._name, exc)) from None

    def load(self, text: str) -> dict[str, Any]:
        """Return the arguments that JSON holds, checked again. Raises ArgumentsError."""
        if text == "{}" and not self.required:
            return {}
        try:
            loaded = self._model.model_validate_json(text)
        except ValidationError as exc:
            raise ArgumentsError(_sentence(self._name, exc)) from None
        return {self._names[one]: getattr(loaded, one) for one in loaded.model_fields_set}


def _model(name: str, parameters: list[tuple[inspect.Parameter, Any]]) -> type[BaseModel]:
    # By aliases: a parameter may have any name, also that of a method of models.
    fields: dict[str, Any] = {
        f"argument_{number}": (hint, Field(... if one.default is one.empty else None, alias=one.name))
        for number, (one, hint) in enumerate(parameters)
    }
    try:
        model: type[BaseModel] = create_model(f"{name} arguments", __config__=_CONFIG, **fields)
        schema = model.model_json_schema()
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema) as exc:
        said = str(exc).split("\n", 1)[0].rstrip(".")
        raise TypeError(f"{name}: JSON cannot hold its arguments ({said}).") from exc
    if '"writeOnly": true' in json.dumps(schema):
        raise TypeError(f"{name}: a secret would lie in the database as it is; send what it belongs to.")
    return model


def _sentence(name: str, error: ValidationError) -> str:
    wrong = error.errors(include_input=False, include_url=False, include_context=False)
    return f"{name}: " + "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong)
