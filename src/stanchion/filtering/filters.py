"""Filters: the columns that a list may be narrowed by."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, GetJsonSchemaHandler, create_model
from pydantic.json_schema import JsonSchemaValue
from pydantic_core.core_schema import CoreSchema
from sqlalchemy import ColumnElement, inspect, type_coerce, types
from sqlalchemy.exc import NoInspectionAvailable

from stanchion.filtering.operators import MOST_VALUES, operators
from stanchion.filtering.values import manner, value_type

M = TypeVar("M", bound=BaseModel)


class _Unsaid:
    """Leaves the null of `| None` out of the document: a query cannot hold one."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        kinds = [kind for kind in handler(schema)["anyOf"] if kind != {"type": "null"}]
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


@dataclass(frozen=True, slots=True)
class _Parameter:
    type: Any
    description: str
    condition: Callable[[Any], ColumnElement[bool]]


class Filters:
    """The columns that a list may be narrowed by: `Filters(Todo, ["status", "title", "created_at"])`.

    Each gives the query parameters `name` and `name__operator`. Every column: `eq`, `ne`, `in`; one that
    may be NULL: `isnull`; numbers, texts, dates and times: `lt`, `lte`, `gt`, `gte`; texts: `contains`,
    `startswith`, `endswith`, and `ieq`, `icontains`, `istartswith`, `iendswith`, to which upper and lower
    case are one. A row without a value is `ne` to every value, and no other comparison finds it. No
    character of a text is a wildcard; texts are ordered as the database orders them.

    `model` is a SQLModel table or another mapped class of SQLAlchemy. On SQLite the operators that begin
    with `i` (not `in`, `isnull`) need the connections of `stanchion.database.Database`.

    Raises TypeError for a model that is no table and for a column that cannot be filtered, ValueError for
    a name that is no column or is named twice.
    """

    def __init__(self, model: type[Any], names: Iterable[str]) -> None:
        self._parameters: dict[str, _Parameter] = {}
        columns = _columns(model)
        for name in names:
            if name not in columns:
                raise ValueError(
                    f"{model.__name__} has no column {name!r} to filter by: name {', '.join(columns)}."
                )
            for parameter, meaning in _parameters(model, name, columns[name]):
                if parameter in self._parameters:
                    raise ValueError(f"{model.__name__} has two filters {parameter!r}: name a column once.")
                self._parameters[parameter] = meaning

    def query(self, base: type[M], name: str) -> type[M]:
        """Return a subclass of `base`, such as `Page`, with a field for each parameter: None where not sent.

        Raises ValueError for a parameter that `base` has a name like.
        """
        for parameter in self._parameters:
            if parameter in base.model_fields or hasattr(base, parameter) or parameter.startswith("_"):
                raise ValueError(
                    f"{base.__name__} cannot have the filter {parameter!r}: map its column to another name."
                )
        fields: dict[str, Any] = {
            parameter: (
                Annotated[meaning.type | None, _Unsaid()],
                Field(None, description=meaning.description),
            )
            for parameter, meaning in self._parameters.items()
        }
        return create_model(name, __base__=base, __module__=base.__module__, **fields)

    def where(self, query: BaseModel) -> list[ColumnElement[bool]]:
        """Return the conditions that a query stands for, all of which are to hold.

        `query` is an instance of the model that the method of this name made. Raises AttributeError for one
        of another, which would ask for nothing.
        """
        values = vars(query)
        if missing := self._parameters.keys() - values.keys():
            raise AttributeError(f"{type(query).__name__} has not the filters {', '.join(sorted(missing))}.")
        asked = [name for name in self._parameters if values[name] is not None]
        return [self._parameters[name].condition(values[name]) for name in asked]


def _columns(model: type[Any]) -> dict[str, Any]:
    """Return the columns of a mapped class by the names of its attributes."""
    try:
        return dict(inspect(model).columns.items())
    except (NoInspectionAvailable, AttributeError):
        raise TypeError(
            f"{model!r} is no table: name a SQLModel class with table=True, or another mapped class."
        ) from None


def _parameters(model: type[Any], name: str, column: Any) -> Iterator[tuple[str, _Parameter]]:
    one = value_type(column.type)
    if one is None:
        raise TypeError(
            f"{model.__name__}.{name} is {column.type!r}, which has no filters: leave it out, and narrow the "
            "statement with a condition of your own."
        )
    several = Annotated[list[one], Field(max_length=MOST_VALUES), BeforeValidator(_split)]  # type: ignore[valid-type] # made at run time
    types_ = {"in": several, "isnull": bool}
    attribute = _comparable(getattr(model, name), column.type)
    for operator, meaning in operators(column).items():
        yield (
            f"{name}__{operator}" if operator else name,
            _Parameter(
                types_.get(operator, one),
                meaning.words.format(name) + ("" if operator == "isnull" else manner(column.type)),
                partial(meaning.condition, attribute),
            ),
        )


def _comparable(attribute: Any, type_: types.TypeEngine[Any]) -> Any:
    """Return a column such that values of its Pydantic type are sent as they are."""
    if isinstance(type_, types.Numeric):  # PostgreSQL would round a value to its NUMERIC(10, 2) first
        return type_coerce(attribute, types.Numeric())
    if isinstance(type_, types.Uuid):  # it may want texts
        return type_coerce(attribute, types.Uuid())
    return attribute


def _split(values: Any) -> Any:
    """Take values apart at their commas: FastAPI gives a list, a text for each time that it was sent."""
    if isinstance(values, str):
        return values.split(",")
    if not isinstance(values, list | tuple):
        return values
    return [part for value in values for part in (value.split(",") if isinstance(value, str) else [value])]
