"""Small edits of Python text: imports in their places, main.py's lists, and lines that are short enough."""

import pytest

from stanchion.scaffold import ScaffoldError
from stanchion.scaffold.layout import laid_out
from stanchion.scaffold.names import Names
from stanchion.scaffold.revision import tidied
from stanchion.scaffold.source import Source
from stanchion.scaffold.wiring import is_wired, wired

INVOICE = Names.of("invoice")
MAIN = """\
from fastapi import FastAPI

from routers import (
    keys,  # kept
    users,
)

tags = 1
app = FastAPI(openapi_tags=[{"name": "users"}])
app.include_router(keys.router)
app.include_router(users.router, prefix="/v1")  # the last
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from a import b, d\n", "from a import b, c, d\n"),
        ("from a import b  # why\n", "from a import b, c  # why\n"),
        ("from a import (\n    b,\n    d,\n)\n", "from a import (\n    b,\n    c,\n    d,\n)\n"),
        ("from a import (\n    B,\n    b,\n)\n", "from a import (\n    B,\n    b,\n    c,\n)\n"),
        ("from a import c as d\n", "from a import c as d, c\n"),
        ("from a import c\n", "from a import c\n"),
        ('"""Doc."""\n\nx = 1\n', '"""Doc."""\n\nfrom a import c\n\nx = 1\n'),
        ("import os\n\nx = 1\n", "import os\n\nfrom a import c\n\nx = 1\n"),
        ("from b import d\n", "from a import c\nfrom b import d\n"),
        ("from models import d\n", "from a import c\n\nfrom models import d\n"),
    ],
)
def test_an_import(before: str, after: str) -> None:
    assert Source.of("main.py", before).importing("a", "c").text == after


def test_an_import_that_gets_too_long() -> None:
    names = [f"name_{number}_of_many" for number in range(6)]
    made = Source.of("main.py", f"from a import {', '.join(names)}\n").importing("a", "Other").text
    assert made == "from a import (\n    Other,\n" + "".join(f"    {name},\n" for name in names) + ")\n"


def test_text_before_an_import_may_be_wide() -> None:
    made = Source.of("main.py", "é = 'ü'; from a import b\n").importing("a", "c").text
    assert made == "é = 'ü'; from a import b, c\n"


@pytest.mark.parametrize("end", ["\f", "\x1c", "\x85", "\u2028", "\u2029", "\v"])
def test_only_the_end_of_a_line_is_one(end: str) -> None:
    first = f'"""Form{end} feeds, and others."""\n\n'
    made = Source.of("main.py", f"{first}from a import b\n\nclass A:\n    x = 1\n")
    assert made.importing("a", "c").text == f"{first}from a import b, c\n\nclass A:\n    x = 1\n"
    assert made.piece("A") == "class A:\n    x = 1\n"


def test_a_carriage_return_ends_a_line_too() -> None:
    assert Source.of("main.py", "x = 1\rfrom a import b\n").importing("a", "c").text == (
        "x = 1\rfrom a import b, c\n"
    )


def test_main_by_hand() -> None:
    made = wired(Source.of("main.py", MAIN), INVOICE)
    assert made.text == MAIN.replace("    keys,", "    invoices,\n    keys,").replace(
        '[{"name": "users"}]',
        '[{"name": "users"}, '
        '{"name": "invoices", "description": "Your invoices; the service key\'s belong to no user."}]',
    ).replace("# the last\n", "# the last\napp.include_router(invoices.router)\n")
    assert is_wired(made, INVOICE)
    assert not is_wired(Source.of("main.py", MAIN), INVOICE)


def test_a_list_of_routers_on_lines_of_their_own() -> None:
    main = "from routers import a\n\nfor one in (\n    a,  # first\n):\n    app.include_router(one.router)\n"
    made = wired(Source.of("main.py", main), INVOICE).text
    assert "    a,\n    invoices,  # first\n" in made


def test_a_loop_that_is_full() -> None:
    names = ", ".join(f"router_{number}" for number in range(10))
    main = f"from routers import x\n\nfor one in ({names}):\n    app.include_router(one.router)\n"
    made = wired(Source.of("main.py", main), INVOICE)
    assert made.text.endswith("    app.include_router(one.router)\napp.include_router(invoices.router)\n")
    assert is_wired(made, INVOICE)


def test_a_main_without_routers() -> None:
    with pytest.raises(ScaffoldError, match=r"main.py includes no router that another could follow"):
        wired(Source.of("main.py", "app = 1\n"), INVOICE)


def test_what_is_not_python() -> None:
    with pytest.raises(ScaffoldError, match=r"main.py is not Python \(line 2\): correct it."):
        Source.of("main.py", "x = 1\nfor\n")


A, B = "a" * 60, "b" * 60


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("x = call(1)", ["x = call(1)"]),
        (f"x: int = call({A}, {B[:40]})", ["x: int = call(", f"    {A}, {B[:40]}", ")"]),
        (f"call({A}, {B}, x=1)", ["call(", f"    {A},", f"    {B},", "    x=1,", ")"]),
        (f"x = [{A}, {B[:50]}]", ["x = [", f"    {A},", f"    {B[:50]},", "]"]),
        (f'x = "({"," * 120}"', [f'x = "({"," * 120}"']),
        (f"call(1, {A * 2}())", ["call(", "    1,", f"    {A * 2}(),", ")"]),
        (
            f'call(x, inner("{A}", "{B}"))',
            ["call(", "    x,", "    inner(", f'        "{A}",', f'        "{B}",', "    ),", ")"],
        ),
    ],
)
def test_a_long_line(line: str, lines: list[str]) -> None:
    assert laid_out(line).split("\n") == lines


def test_operations() -> None:
    code = f"""op.create_table('a',
sa.Column('{A[:50]}', '{B[:3]}'),
comment='a "so"')
op.drop_table('a', comment="it's", info='\\n', **{{'b': ''}})"""
    assert tidied(code).splitlines() == [
        "op.create_table(",
        f"""    "a", sa.Column("{A[:50]}", "{B[:3]}"), comment='a "so"'""",
        ")",
        """op.drop_table("a", comment="it's", info="\\n", **{"b": ""})""",
    ]
