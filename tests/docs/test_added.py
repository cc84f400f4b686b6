"""docs/how-to/add.md: what was added passes its own tests, on both databases, and is there once."""

from pathlib import Path

import pytest
from tests.adding import DATABASES, INVOICE, command, make, migrated, passed, tree

TOKEN = (
    *(
        "token",
        "key:str",
        "anyone:text?",
        "self:int=7",
        "body:bigint?",
        "name:float?",
        "rate:decimal(3,0)=-0",
    ),
    *(
        "value:bool=false",
        "session:date?",
        "request:datetime?",
        "item:time?",
        "row:uuid:unique",
        "url:email?",
    ),
    *("type:enum(draft,sent)=draft", "made:ref:users?"),
)
"""Every type, and names that the generated code has uses of its own for."""
COMMENT, NOTE = (
    ("comment", "todo:ref:todos"),
    ("note", "comment:ref:comments?", "action:ref:actions", "text:text"),
)


@pytest.fixture(scope="module")
def invoices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with invoices, tokens, and with comments and notes: these refer to rows that have owners."""
    shop = make(tmp_path_factory.mktemp("add") / "shop")
    said = command("add", *INVOICE, cwd=shop)
    assert said == (
        "Changed models.py\nChanged schemas.py\nChanged main.py\nWrote routers/invoices.py\n"
        "Wrote tests/test_invoices.py\nWrote migrations/versions/0002_add_invoices.py\n\n"
        "Invoice is at /api/invoices. Read the revision, then:\n\n    stanchion migrate\n    pytest\n"
    )
    for words in (TOKEN, COMMENT):
        assert "Note: " not in command("add", *words, cwd=shop)
    said = command("add", *NOTE, cwd=shop)
    assert [line for line in said.splitlines() if line.startswith("Note: ")] == [
        "Note: action_id may name a row of actions that is not the caller's; refuse that where it matters, "
        "with `authorize` in routers/notes.py."
    ]
    return shop


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_second_run_changes_nothing(invoices: Path) -> None:
    """That what was added is typed and formatted, with a field of every type, is in tests/chaos."""
    before = tree(invoices)
    assert (
        command("add", *INVOICE, cwd=invoices) == "Invoice is there already, just so: nothing has changed.\n"
    )
    assert tree(invoices) == before
    migrated(invoices)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("database", DATABASES)
def test_the_tests_of_what_was_added_pass(invoices: Path, database: str) -> None:
    """Those of every type on PostgreSQL are in tests/chaos."""
    names = ("invoices", "tokens", "comments", "notes") if database == "sqlite" else ("invoices", "comments")
    added = [f"tests/test_{name}.py" for name in names]
    assert passed(invoices, database, *added) >= (240 if database == "sqlite" else 90)
