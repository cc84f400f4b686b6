"""`stanchion add` with a field of every type: its tests pass on both databases, and it is clean."""

from pathlib import Path

import pytest
from tests.adding import DATABASES, INVOICE, command, lint, make, migrated, passed

EVERY = (
    "Every",
    *(
        "a_text:str",
        "b_text:str(20):unique",
        "c_text:str?",
        "d_text:str=unknown",
        "long:text",
        "short:str(1)",
    ),
    *("a_number:int", "b_number:bigint:unique", "c_number:int=7", "share:float?", "part:float=1.5"),
    *("a_sum:decimal(10,3)", "b_sum:decimal=0", "c_sum:decimal:unique", "rate:decimal(3,3)?"),
    *("done:bool", "open:bool=false", "kind:enum(draft,sent)=draft", "size:choice:small|large?"),
    *("on:date?", "day:date:unique", "at:datetime", "seen_at:datetime?", "made_at:datetime:unique"),
    *(
        "opens:time",
        "closes:time?",
        "token:uuid:unique",
        "other_token:uuid?",
        "email:email:unique",
        "cc:email?",
    ),
    *("todo:ref:todos", "invoice:ref:invoices?", "payer:ref:users:unique"),
)


@pytest.fixture(scope="module")
def everies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with invoices, and with a field of every type."""
    shop = make(tmp_path_factory.mktemp("add") / "shop")
    command("add", *INVOICE, cwd=shop)
    said = command("add", *EVERY, cwd=shop)
    assert "Note: " not in said
    return shop


def test_every_type_is_clean(everies: Path, tmp_path: Path) -> None:
    migrated(everies)
    lint(everies, tmp_path)


@pytest.mark.parametrize("database", DATABASES)
def test_the_tests_of_every_type_pass(everies: Path, database: str) -> None:
    assert passed(everies, database) >= 300
