"""What a field is in Python, in a table, in a body, and in a test, by its type."""

from dataclasses import dataclass

from stanchion.scaffold.fields import INDEXED, Field
from stanchion.scaffold.names import Names, camel

Import = tuple[str, str]

_LONGEST_CHOICE = 20


@dataclass(frozen=True, slots=True)
class Kind:
    """What follows from a field's type."""

    python: str
    """Its type in a model and in a response."""
    first: str
    """What fits, as a test writes it."""
    second: str
    """Something else that fits."""
    unfit: tuple[str, ...]
    """What does not."""
    limits: tuple[str, ...] = ()
    """Arguments of the Field of a body; with any, the type of the body has a name of its own."""
    base: str = ""
    """The type in a body, where it is another."""
    fresh: str = ""
    """What makes a value that no other row has."""
    options: tuple[str, ...] = ()
    """Arguments of the Field of a model."""
    column: str = ""
    """The type of the column, where it is written out."""
    is_sorted: bool = True
    imports: tuple[Import, ...] = ()
    """What the model wants."""
    body_imports: tuple[Import, ...] = ()
    """What the schemas want beside."""


def kind_of(field: Field, names: Names) -> Kind:
    """Return what follows from a field's type."""
    if field.type in ("int", "bigint"):
        return _integer(64 if field.type == "bigint" else 32)
    match field.type:
        case "str" | "text":
            return _text(field)
        case "decimal":
            return _decimal(*map(int, field.arguments))
        case "enum":
            return _choice(field, names)
        case "ref":
            return _reference(field)
    return _PLAIN[field.type]


def type_name(field: Field, names: Names) -> str:
    """Return the name of a type that a field has for itself: `InvoiceStatus`."""
    return names.model + camel(field.name)


def _text(field: Field) -> Kind:
    short, words = field.type == "str", field.name.replace("_", " ")
    return Kind(
        "str",
        f'"{f"{words.capitalize()} 7"[: field.length].rstrip()}"',
        f'"{f"other {words}"[: field.length].rstrip()}"',
        ('""', f'"x" * {field.length + 1}', "7", r'"a\x00b"'),
        limits=("min_length=1", f"max_length={_number(field.length)}"),
        base="Text",
        fresh="secrets.token_hex(8)" + (f"[:{field.length}]" if field.length < 16 else ""),
        options=(f"max_length={field.length}",) if short else (),
        is_sorted=short and field.length <= INDEXED,
        body_imports=(("stanchion.schemas", "Text"),),
    )


def _integer(bits: int) -> Kind:
    most = f"2**{bits - 1}"
    return Kind(
        "int",
        "7",
        "8",
        (most, '"x"', "1.5"),
        limits=(f"ge=-({most})", f"le={most} - 1"),
        fresh=f"secrets.randbelow({most})",
        options=("sa_type=BigInteger",) if bits == 64 else (),
        imports=(("sqlalchemy", "BigInteger"),) if bits == 64 else (),
    )


def _decimal(digits: int, places: int) -> Kind:
    whole, part = "1234567890"[: min(4, digits - places)] or "0", "56" * 8
    first = f"{whole}.{part[:places]}" if places else whole
    second = f"{'7' if digits > places else '0'}.{('25' * 8)[:places]}" if places else "7"
    tail = f'.{("25" * 8)[:places]}"' if places else '"'
    return Kind(
        "Decimal",
        f'"{first}"',
        f'"{second}"',
        (f'"1.{"0" * places}1"', f'"{10**digits}"', '"NaN"', '"x"'),
        limits=(f"max_digits={digits}", f"decimal_places={places}"),
        fresh=f'f"{{secrets.randbelow(10**{digits - places})}}{tail}',
        options=(f"max_digits={digits}", f"decimal_places={places}"),
        imports=(("decimal", "Decimal"),),
    )


def _choice(field: Field, names: Names) -> Kind:
    name = type_name(field, names)
    length = max(_LONGEST_CHOICE, *map(len, field.arguments))
    return Kind(
        name,
        f'"{field.arguments[0]}"',
        f'"{field.arguments[1]}"',
        ('"?"', "7"),
        column=f'Enum({name}, name="{names.one}_{field.name}", native_enum=False, length={length})',
        imports=(("enum", "StrEnum"), ("sqlalchemy", "Column"), ("sqlalchemy", "Enum")),
        body_imports=(("models", name),),
    )


def _reference(field: Field) -> Kind:
    (table,) = field.arguments
    made = f"await {reference_maker(field)}()"
    return Kind(
        "int",
        made,
        made,
        ("0", "2**63", '"x"'),
        limits=("ge=1", "le=2**63 - 1"),
        fresh=made,
        column=f'BigInteger, ForeignKey("{table}.id")',
        is_sorted=False,
        imports=tuple(("sqlalchemy", name) for name in ("BigInteger", "Column", "ForeignKey")),
    )


def reference_maker(field: Field) -> str:
    """Return the name of the test's function that makes a row to refer to."""
    return f"new_{field.name.removesuffix('_id')}"


def _number(number: int) -> str:
    return f"{number:_}" if number >= 10_000 else str(number)


_PLAIN = {
    "bool": Kind("bool", "True", "False", ('"perhaps"', "2"), is_sorted=False),
    "float": Kind("float", "1.5", "2.25", ('"x"',), limits=("allow_inf_nan=False",)),
    "date": Kind(
        "date",
        '"2026-01-31"',
        '"2026-02-28"',
        ('"2026-02-30"', '"tomorrow"'),
        fresh="str(date.fromordinal(secrets.randbelow(3_000_000) + 1))",
        imports=(("datetime", "date"),),
    ),
    "datetime": Kind(
        "datetime",
        '"2026-01-31T09:30:00Z"',
        '"2026-02-28T18:00:00Z"',
        ('"2026-01-31T09:30:00"', '"yesterday"'),
        base="AwareDatetime",
        fresh='f"{date.fromordinal(secrets.randbelow(3_000_000) + 1)}T09:30:00Z"',
        options=("sa_type=UTCDateTime",),
        imports=(("datetime", "datetime"), ("stanchion.database", "UTCDateTime")),
        body_imports=(("pydantic", "AwareDatetime"),),
    ),
    "time": Kind(
        "time",
        '"09:30:00"',
        '"18:00:00"',
        ('"25:00:00"', '"09:30:00Z"', '"noon"'),
        base="TimeOfDay",
        imports=(("datetime", "time"),),
    ),
    "uuid": Kind(
        "UUID",
        '"3f2b8c1e-5d4a-4c6b-9e7f-1a2b3c4d5e6f"',
        '"8d1f0a52-7c3e-4b9d-a6f5-0e1d2c3b4a59"',
        ('"x"', "7"),
        fresh="str(uuid4())",
        is_sorted=False,
        imports=(("uuid", "UUID"),),
    ),
    "email": Kind(
        "str",
        '"ada@example.com"',
        '"bob@example.com"',
        ('"nobody"', "7"),
        limits=("max_length=254",),
        base="EmailStr",
        fresh='f"{secrets.token_hex(8)}@example.com"',
        options=("max_length=254",),
        body_imports=(("pydantic", "EmailStr"),),
    ),
}
