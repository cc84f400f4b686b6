"""What is typed for a new resource: its names, its fields, and the sentences for what they cannot be."""

import re

import pytest
from sqlmodel import SQLModel

from stanchion.scaffold import ScaffoldError
from stanchion.scaffold.fields import TYPES, Field, parse
from stanchion.scaffold.names import Names


@pytest.mark.parametrize(
    ("typed", "one", "many", "model"),
    [
        ("invoice", "invoice", "invoices", "Invoice"),
        ("LineItem", "line_item", "line_items", "LineItem"),
        ("line-item", "line_item", "line_items", "LineItem"),
        ("category", "category", "categories", "Category"),
        ("day", "day", "days", "Day"),
        ("box", "box", "boxes", "Box"),
        ("branch", "branch", "branches", "Branch"),
        ("address", "address", "addresses", "Address"),
    ],
)
def test_names(typed: str, one: str, many: str, model: str) -> None:
    names = Names.of(typed)
    assert (names.one, names.many, names.model, names.path) == (one, many, model, f"/api/{many}")


def test_the_plural_may_be_given() -> None:
    assert Names.of("person", "people").path == "/api/people"
    assert Names.of("invoice").with_article == "an invoice"
    assert Names.of("line_item").with_article == "a line item"


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "cannot be a resource's name"),
        ("2day", "cannot be a resource's name"),
        ("a b", "cannot be a resource's name"),
        ("a__b", "cannot be a resource's name"),
        ("rechnungsprüfung", "cannot be a resource's name"),
        ("a" * 41, "cannot be a resource's name"),
        ("class", "is a word of Python's"),
        ("none", "is a word of Python's"),
        ("sqlite_thing", "begins like the tables of others"),
    ],
)
def test_names_that_cannot_be(typed: str, reason: str) -> None:
    with pytest.raises(ScaffoldError, match=reason):
        Names.of(typed)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("title:str", Field("title", "str", ("200",))),
        ("title:str(20)?", Field("title", "str", ("20",), optional=True)),
        ("number:str:unique", Field("number", "str", ("200",), unique=True)),
        ("number:str?:unique", Field("number", "str", ("200",), optional=True, unique=True)),
        ("body:text", Field("body", "text", ("10000",))),
        ("due:date?", Field("due", "date", optional=True)),
        ("paid:bool=false", Field("paid", "bool", default="False")),
        ("count_of:int=-3", Field("count_of", "int", default="-3")),
        ("share:float=0.5", Field("share", "float", default="0.5")),
        ("total:decimal", Field("total", "decimal", ("12", "2"))),
        ("total:decimal(10,3)=1.5", Field("total", "decimal", ("10", "3"), default='Decimal("1.5")')),
        ("rate:decimal(3,0)=-0", Field("rate", "decimal", ("3", "0"), default='Decimal("0")')),
        ("rate:decimal(3,1)=-0.0", Field("rate", "decimal", ("3", "1"), default='Decimal("0.0")')),
        ("share:float=-0", Field("share", "float", default="0.0")),
        ("share:float=-0.5", Field("share", "float", default="-0.5")),
        ("kind:enum(draft,sent)=sent", Field("kind", "enum", ("draft", "sent"), default="sent")),
        ("kind:choice:a|b?", Field("kind", "enum", ("a", "b"), optional=True)),
        ("customer:ref:users", Field("customer_id", "ref", ("users",))),
        ("customer_id:ref:users?", Field("customer_id", "ref", ("users",), optional=True)),
        ("customer:ref:users:unique", Field("customer_id", "ref", ("users",), unique=True)),
        ("name:str=a:b = c", Field("name", "str", ("200",), default='"a:b = c"')),
    ],
)
def test_fields(spec: str, field: Field) -> None:
    assert Field.parse(spec) == field


@pytest.mark.parametrize("kind", sorted({*TYPES} - {"enum", "choice", "ref"}))
def test_a_type_needs_no_more_than_its_name(kind: str) -> None:
    assert Field.parse(f"field:{kind}").type == kind


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("title", "is no field: write NAME:TYPE"),
        ("title:STR", "is no field"),
        ("title:str:often", "says more than its type can"),
        ("title:string", "has no type that is known: write one of str, text,"),
        (":str", "cannot be a field's name"),
        ("Title:str", "cannot be a field's name"),
        ("a__b:str", "cannot be a field's name"),
        ("_a:str", "cannot be a field's name"),
        ("class:str", "is a name of Python's"),
        ("date:date", "is a name of Python's"),
        ("metadata:str", "is a name of Pydantic's or SQLModel's"),
        ("cls:str", "is a name of Pydantic's or SQLModel's"),
        ("copy:str", "is a name of Pydantic's or SQLModel's"),
        ("model_name:str", "is a name of Pydantic's or SQLModel's"),
        ("limit:int", "is a name of the query of every list"),
        ("create:bool", "is a name of the schemas"),
        ("id:int", "is in every resource already"),
        ("owner:ref:users", "is in every resource already"),
        ("owner_id:int", "is in every resource already"),
        ("version:int", "is in every resource already"),
        ("created_at:datetime", "is in every resource already"),
        ("title:str(0)", "cannot be so long: write a length from 1 to 10000"),
        ("title:str(1,2)", "cannot be so long"),
        ("title:str(x)", "has no numbers in its brackets"),
        ("due:date(3)", "says more than its type can: write date alone"),
        ("total:decimal(16,2)", "cannot be kept exactly"),
        ("total:decimal(2,3)", "cannot be kept exactly"),
        ("kind:enum(one)", "wants two choices or more"),
        ("kind:enum(a,a)", "wants two choices or more"),
        ("kind:enum(a,B)", "cannot have the choice 'B'"),
        ("kind:enum(title,other)", "cannot have the choice 'title'"),
        ("kind:enum(a,b)=c", "has a default that does not fit"),
        ("customer:ref", "refers to no table"),
        ("customer:ref(users)", "refers to no table"),
        ("paid:bool:unique", "cannot be unique"),
        ("code:str(7):unique", "cannot be unique"),
        ("due:date=today", "cannot have a default"),
        ("number:int:unique=1", "cannot have a default"),
        ("number:int=2147483648", "has a default that does not fit"),
        ("total:decimal=0.001", "has a default that does not fit"),
        ("paid:bool=maybe", "has a default that does not fit"),
        ("title:str(3)=long", "has a default that does not fit"),
    ],
)
def test_fields_that_cannot_be(spec: str, reason: str) -> None:
    with pytest.raises(ScaffoldError, match=re.escape(reason)):
        parse([spec])


def test_a_field_is_named_once() -> None:
    with pytest.raises(ScaffoldError, match="'title' is named twice"):
        parse(["title:str", "title:int"])
    with pytest.raises(ScaffoldError, match="A resource wants a field"):
        parse([])


def test_no_name_of_a_model_is_taken() -> None:
    names = {one for one in dir(SQLModel) if re.fullmatch(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*", one)}
    assert len(names) > 20
    for name in names:
        with pytest.raises(ScaffoldError, match="is a name of Pydantic's or SQLModel's"):
            Field.parse(f"{name}:str")
