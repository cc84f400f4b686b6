"""`stanchion add`: what it prints and refuses. What it writes is tried in tests/docs and tests/chaos."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.adding import INVOICE, REPOSITORY, add_to, command, make, migrated, tree
from tests.cli.conftest import Call

from stanchion.scaffold.fields import TYPES, Field

PAGE = (REPOSITORY / "docs/how-to/add.md").read_text(encoding="utf-8")


def test_its_page_says_what_is_run_here() -> None:
    commands = PAGE.partition("```sh\n")[2].partition("```")[0].splitlines()
    assert commands == [f"stanchion add {' '.join(INVOICE)}", "stanchion migrate", "pytest"]


def test_its_page_has_every_type() -> None:
    rows = [
        re.split(r" (?<!\\)\| ", line.strip("| ")) for line in PAGE.splitlines() if line.startswith("| `")
    ]
    assert [row[0].strip("`") for row in rows] == list(TYPES)
    for type_, _, _, like in rows:
        field = Field.parse(like.strip("`").replace("\\|", "|"))
        assert field.type == {"choice": "enum"}.get(type_.strip("`"), type_.strip("`"))


@pytest.fixture
def shop(folder: Path) -> Path:
    """A new project in the current directory."""
    return make(folder)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["invoice", "due:dat"], "'due:dat' has no type that is known: write one of str, text, int, "),
        (["invoice", "id:int"], "'id' is in every resource already: leave it out, or choose another name."),
        (["invoice", "a:str", "a:int"], "'a' is named twice: name a field once."),
        (["todo", "a:str"], "Todo is in models.py already, and is not what this would write: "),
        (["class", "a:str"], "'class' is a word of Python's: choose another name."),
        (["invoice", "a:str", "--plural", "todos"], "The table 'todos' is in models.py already"),
        (["invoice", "customer:ref:people"], "There is no table 'people' to refer to: name one of actions, "),
    ],
)
def test_refusals_are_one_sentence(shop: Path, call: Call, words: list[str], sentence: str) -> None:
    before = tree(shop)
    said = call("add", *words)
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith(sentence)
    assert said.err.count("\n") == 1
    assert tree(shop) == before


def test_where_no_project_is(folder: Path, call: Call) -> None:
    said = call("add", *INVOICE)
    assert (said.status, said.err.partition(":")[0]) == (1, f"There is no main.py in {folder}")
    assert call("add", "invoice").status == 2


@pytest.mark.measured
def test_a_revision_that_fails_changes_nothing(shop: Path) -> None:
    """As a process: models.py is imported, and SQLModel keeps its tables."""
    bad = (
        'revision = "0002"\ndown_revision = "0001"\n\n\ndef upgrade() -> None:\n    raise ValueError("no")\n'
    )
    (shop / "migrations/versions/0002_bad.py").write_text(bad)
    before = tree(shop)
    words = [sys.executable, "-m", "stanchion.cli", "add", *INVOICE]
    done = subprocess.run(words, cwd=shop, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "0002_bad.py, line 6: ValueError: no.\n"
    assert tree(shop) == before


@pytest.mark.measured
@pytest.mark.parametrize("url", ["sqlite:///./shop.db", "postgresql://nobody@127.0.0.1:1/shop"])
def test_models_that_have_changed_already(shop: Path, url: str) -> None:
    """Also those of a PostgreSQL project, without its database: its history runs on SQLite as well."""
    add_to(shop / "models.py", "    affected: int\n", "    why: str | None = None\n")
    before = tree(shop)
    words = [sys.executable, "-m", "stanchion.cli", "add", *INVOICE]
    done = subprocess.run(
        words,
        cwd=shop,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "DATABASE_URL": url},
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "models.py has changed already (column actions.why is in models.py, but not in the database): "
        "run `stanchion migrate new` and migrate first.\n"
    )
    assert tree(shop) == before


POSTGRESQL = """
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    {rest}
"""
EXTENSION = POSTGRESQL.format(
    rest="""op.execute("CREATE EXTENSION IF NOT EXISTS plpgsql")
    op.add_column("actions", sa.Column("parts", JSONB()))
    op.add_column("actions", sa.Column("words", ARRAY(sa.String())))"""
)
RAW = POSTGRESQL.format(
    rest="""op.execute("ALTER TABLE actions ADD COLUMN parts jsonb")
    op.execute("ALTER TABLE actions ADD COLUMN words varchar[]")"""
)
CONDITIONAL = POSTGRESQL.format(
    rest="""if op.get_bind().dialect.name == "postgresql":
        op.add_column("actions", sa.Column("parts", JSONB()))"""
)
PARTS = "    parts: dict[str, str] | None = Field(default=None, sa_column=Column(JSONB))\n"
WORDS = "    words: list[str] | None = Field(default=None, sa_column=Column(ARRAY(String)))\n"
UNTOLD = (
    "Note: whether models.py had changed before cannot be told without the project's own database: "
    "`stanchion migrate --check` tells, when this revision has run.\n"
)


@pytest.mark.slow
@pytest.mark.measured
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("revision", "fields"),
    [(EXTENSION, PARTS + WORDS), (RAW, PARTS + WORDS), (CONDITIONAL, PARTS)],
    ids=["extension", "raw", "conditional"],
)
def test_a_history_of_postgresql(shop: Path, postgresql_url: str, revision: str, fields: str) -> None:
    (shop / "migrations/versions/0002_parts.py").write_text(revision)
    add_to(shop / "models.py", "    affected: int\n", fields)
    add_to(shop / "models.py", "import BigInteger, ", "String, ")
    add_to(
        shop / "models.py",
        "from enum import StrEnum\n",
        "from sqlalchemy.dialects.postgresql import ARRAY, JSONB\n",
    )
    said = command("add", *INVOICE, cwd=shop, DATABASE_URL=postgresql_url)
    assert f"Wrote migrations/versions/0003_add_invoices.py\n{UNTOLD}" in said
    migrated(shop, DATABASE_URL=postgresql_url)


@pytest.mark.measured
def test_a_template_of_the_projects_own(shop: Path) -> None:
    (shop / "migrations/script.py.mako").write_text(
        '# It\'s "ours".\nrevision = ${repr(up_revision)}\ndown_revision = ${repr(down_revision)}\n'
        "from alembic import op\nimport sqlalchemy as sa\n${imports}\n\n\ndef upgrade():\n    ${upgrades}\n"
    )
    command("add", *INVOICE, cwd=shop)
    text = (shop / "migrations/versions/0002_add_invoices.py").read_text()
    assert text.startswith("# It's \"ours\".\nrevision = '0002'\ndown_revision = '0001'\n")
    assert '\n    op.create_table(\n        "invoices",\n        sa.Column(' in text
    migrated(shop)
