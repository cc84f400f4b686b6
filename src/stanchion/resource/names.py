"""The names that a schema's fields have in a file."""

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo


def columns(schema: type[BaseModel]) -> list[str]:
    """Return the names that a schema writes its fields by."""
    own = [
        field.serialization_alias or field.alias or name
        for name, field in schema.model_fields.items()
        if not field.exclude
    ]
    return own + [field.alias or name for name, field in schema.model_computed_fields.items()]


def fields(schema: type[BaseModel]) -> set[str]:
    """Return the names that a schema takes its fields by."""
    return set(aliases(schema))


def aliases(schema: type[BaseModel]) -> dict[str, str]:
    """Return the field that each of these names is for."""
    return {
        alias: name for name, field in schema.model_fields.items() for alias in _aliases(schema, name, field)
    }


def shown(schema: type[BaseModel]) -> set[str]:
    """Return the attributes of a row that a schema shows, whatever it calls them."""
    visible = {name: field for name, field in schema.model_fields.items() if not field.exclude}
    return {one for name, field in visible.items() for one in (name, *_aliases(schema, name, field))}


def told_empty(schema: type[BaseModel]) -> set[str]:
    """Return the names of the fields for which to send an empty text is not the same as to send nothing."""
    return {
        alias
        for name, field in schema.model_fields.items()
        if field.is_required() or field.default != ""
        for alias in _aliases(schema, name, field)
    }


def _aliases(schema: type[BaseModel], name: str, field: FieldInfo) -> list[str]:
    alias = field.validation_alias or field.alias or name
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    config = schema.model_config
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    return [one for one in choices if isinstance(one, str)] + ([name] if by_name else [])
