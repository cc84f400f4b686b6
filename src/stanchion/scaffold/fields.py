"""The fields of a new resource, as typed: `due:date?`, `number:str(20):unique`, `paid:bool=false`."""

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Self

from stanchion.scaffold.errors import ScaffoldError
from stanchion.scaffold.names import check_field

TYPES = (
    *("str", "text", "int", "bigint", "float", "decimal", "bool", "date", "datetime", "time"),
    *("uuid", "email", "enum", "choice", "ref"),
)
_SPEC = re.compile(
    r"(?P<name>[^:]*):(?P<type>[a-z]+)"
    r"(?:\((?P<arguments>[^()]*)\)|:(?P<rest>(?!unique\b)[^:=?()]+))?"
    r"(?P<optional>\?)?(?P<unique>:unique)?(?:=(?P<default>.*))?"
)
_LONGEST = {"str": (200, 10_000), "text": (10_000, 1_000_000)}
INDEXED = 500
"""Characters of the longest text that an index of PostgreSQL takes, whatever they are."""
_DIGITS = 15
"""Of a decimal: what SQLite keeps exactly."""
_ENOUGH = 6
_NOT_UNIQUE = ("text", "bool", "enum", "float", "time")
_WITH_DEFAULT = ("str", "text", "int", "bigint", "float", "decimal", "bool", "enum")


@dataclass(frozen=True, slots=True)
class Field:
    """A column of its own: its name, its type, and what was said of it."""

    name: str
    type: str
    arguments: tuple[str, ...] = ()
    """The length; the digits and the places; the choices; the table."""
    optional: bool = False
    unique: bool = False
    default: str | None = None
    """As Python writes it."""

    @classmethod
    def parse(cls, spec: str) -> Self:
        """Read one. Raises ScaffoldError, a sentence, for what it cannot be."""
        found = _SPEC.fullmatch(spec)
        if found is None:
            raise ScaffoldError(f"{spec!r} is no field: write NAME:TYPE, like due:date?.")
        name, type_ = found["name"], found["type"]
        if type_ not in TYPES:
            raise ScaffoldError(f"{spec!r} has no type that is known: write one of {', '.join(TYPES)}.")
        arguments = _arguments(spec, type_, found["arguments"], found["rest"])
        if type_ == "ref" and not name.endswith("_id"):
            name = f"{name}_id" if name else ""
        check_field(name)
        field = cls(
            name,
            "enum" if type_ == "choice" else type_,
            arguments,
            optional=bool(found["optional"]),
            unique=bool(found["unique"]),
        )
        field._check_unique(spec)
        if found["default"] is None:
            return field
        default = field._default(spec, found["default"])
        return cls(name, field.type, arguments, field.optional, field.unique, default)

    @property
    def length(self) -> int:
        """Return how many characters a text may have."""
        return int(self.arguments[0])

    def _check_unique(self, spec: str) -> None:
        if not self.unique:
            return
        few = self.type == "decimal" and int(self.arguments[0]) - int(self.arguments[1]) < _ENOUGH
        if self.type in _NOT_UNIQUE or few or (self.type == "str" and not 8 <= self.length <= INDEXED):
            raise ScaffoldError(
                f"{spec!r} cannot be unique: a str of 8 to {INDEXED}, an int, a decimal with {_ENOUGH} "
                "digits before its point, a date, a datetime, a uuid, an email or a ref can."
            )

    def _default(self, spec: str, text: str) -> str:
        if self.type not in _WITH_DEFAULT or self.unique or self.optional:
            raise ScaffoldError(f"{spec!r} cannot have a default: leave out '={text}'.")
        made = _literal(self, text)
        if made is None:
            raise ScaffoldError(f"{spec!r} has a default that does not fit its type: correct {text!r}.")
        return made


def parse(specs: Sequence[str]) -> tuple[Field, ...]:
    """Read all fields of a resource. Raises ScaffoldError."""
    fields = tuple(Field.parse(spec) for spec in specs)
    if not fields:
        raise ScaffoldError("A resource wants a field: name at least one, like title:str.")
    names = [field.name for field in fields]
    for name in names:
        if names.count(name) > 1:
            raise ScaffoldError(f"{name!r} is named twice: name a field once.")
    return fields


def _arguments(spec: str, type_: str, inside: str | None, rest: str | None) -> tuple[str, ...]:
    if type_ == "ref":
        if rest is None or inside is not None:
            raise ScaffoldError(f"{spec!r} refers to no table: write it like customer:ref:users.")
        return (rest,)
    if type_ in ("enum", "choice"):
        text = inside if type_ == "enum" else rest
        return _choices(spec, re.split(r"[,|]", text or ""))
    if rest is not None or (inside is not None and type_ not in ("str", "text", "decimal")):
        raise ScaffoldError(f"{spec!r} says more than its type can: write {type_} alone.")
    given = [part.strip() for part in inside.split(",")] if inside is not None else []
    if not all(re.fullmatch(r"[0-9]{1,7}", part) for part in given):
        raise ScaffoldError(f"{spec!r} has no numbers in its brackets: write them like str(200).")
    if type_ == "decimal":
        return _digits(spec, [int(part) for part in given] or [12, 2])
    if type_ in _LONGEST:
        usual, most = _LONGEST[type_]
        length = int(given[0]) if given else usual
        if len(given) > 1 or not 1 <= length <= most:
            raise ScaffoldError(f"{spec!r} cannot be so long: write a length from 1 to {most}.")
        return (str(length),)
    return ()


def _digits(spec: str, given: list[int]) -> tuple[str, ...]:
    digits, places = (*given, 0)[:2]
    if len(given) > 2 or not 1 <= digits <= _DIGITS or not 0 <= places <= digits:
        raise ScaffoldError(
            f"{spec!r} cannot be kept exactly: write decimal(DIGITS,PLACES) with at most {_DIGITS} digits."
        )
    return str(digits), str(places)


def _choices(spec: str, given: list[str]) -> tuple[str, ...]:
    choices = tuple(part.strip() for part in given)
    for choice in choices:
        fits = re.fullmatch(r"[a-z][a-z0-9_]{0,49}", choice) and not keyword.iskeyword(choice)
        if not fits or hasattr(StrEnum, choice) or choice in ("name", "value"):
            raise ScaffoldError(
                f"{spec!r} cannot have the choice {choice!r}: use small letters, digits and '_', "
                "and no word of Python's."
            )
    if len(choices) < 2 or len(set(choices)) < len(choices):
        raise ScaffoldError(f"{spec!r} wants two choices or more, each once: write enum(draft,sent).")
    return choices


def _literal(field: Field, text: str) -> str | None:
    """Return a default as Python writes it; None where it does not fit."""
    if field.type in ("float", "decimal") and re.fullmatch(r"-[0.]+", text):
        text = text[1:]  # no database keeps the sign of a zero
    match field.type:
        case "bool":
            return {"true": "True", "false": "False"}.get(text.lower())
        case "enum":
            return text if text in field.arguments else None
        case "int" | "bigint":
            bits = 31 if field.type == "int" else 63
            fits = re.fullmatch(r"-?[0-9]{1,19}", text) and -(2**bits) <= int(text) < 2**bits
            return str(int(text)) if fits else None
        case "float":
            return str(float(text)) if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,15})?", text) else None
        case "decimal":
            return f'Decimal("{text}")' if _is_decimal(text, *map(int, field.arguments)) else None
        case _:
            fits = 1 <= len(text) <= field.length and text.isprintable() and not set(text) & {'"', "\\"}
            return f'"{text}"' if fits else None


def _is_decimal(text: str, digits: int, places: int) -> bool:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return False
    fits = re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) is not None
    return fits and abs(value) < 10 ** (digits - places) and value == round(value, places)
