"""`stanchion migrate`: what it prints, and when it fails. What it does is in tests/database."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

MODELS = """
from sqlmodel import Field, SQLModel

class People(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    email: str | None = None
"""


@pytest.fixture
def models(backend: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models of the backend, which agree with its revision."""
    metadata = MetaData()
    monkeypatch.setattr(SQLModel, "metadata", metadata)
    monkeypatch.setattr(SQLModel, "_sa_registry", registry(metadata=metadata))
    monkeypatch.setenv("DATABASE_URL", "sqlite:///./a.db")
    path = backend / "models.py"
    path.write_text(MODELS)
    return path


def test_it_says_what_it_did(models: Path, call: Any) -> None:
    said = call("migrate", "--check")
    assert (said.status, said.out) == (
        1,
        "- revision stanchion 0001_api_keys has not run\n- revision stanchion 0002_replies has not run\n"
        "- revision stanchion 0003_events has not run\n- revision stanchion 0004_jobs has not run\n"
        "- revision 0001_people has not run\n",
    )
    assert said.err == "The database's schema is empty: run `stanchion migrate`.\n"

    said = call("migrate")
    assert (said.status, said.err) == (0, "")
    assert said.out == (
        "Migrated: stanchion 0001_api_keys.\nMigrated: stanchion 0002_replies.\n"
        "Migrated: stanchion 0003_events.\nMigrated: stanchion 0004_jobs.\nMigrated: 0001_people.\n"
    )
    said = call("migrate")
    assert said.out == "Every revision has run: `stanchion migrate --check` compares the models.\n"

    said = call("migrate", "--check")
    assert (said.status, said.out) == (0, "The schema is current, and the models agree with it.\n")


def test_a_new_revision(models: Path, call: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert call("migrate").status == 0
    models.write_text(MODELS + "    name: str | None = None\n")
    said = call("migrate", "--check")
    assert (said.status, said.out) == (1, "- column people.name is in models.py, but not in the database\n")
    assert said.err == 'The models and the schema differ: run `stanchion migrate new "what changed"`.\n'

    SQLModel.metadata.clear()
    monkeypatch.setattr(SQLModel, "_sa_registry", registry(metadata=SQLModel.metadata))
    said = call("migrate", "new", "Names!")
    assert (said.status, said.err) == (0, "")
    assert said.out == "Wrote migrations/versions/0002_names.py: read it, then run `stanchion migrate`.\n"
    assert call("migrate").out == "Migrated: 0002_names.\n"

    SQLModel.metadata.clear()
    monkeypatch.setattr(SQLModel, "_sa_registry", registry(metadata=SQLModel.metadata))
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{models.parent}/a.db")
    monkeypatch.chdir(tmp_path)
    said = call("migrate", "--app-dir", str(models.parent), "new", "nothing")
    assert said.status == 0
    assert said.out == "Nothing has changed: the database has what models.py says. No file was written.\n"

    SQLModel.metadata.clear()
    monkeypatch.setattr(SQLModel, "_sa_registry", registry(metadata=SQLModel.metadata))
    said = call("migrate", "--app-dir", str(models.parent), "new", "rows", "--empty")
    assert said.out.endswith("migrations/versions/0003_rows.py: read it, then run `stanchion migrate`.\n")


def test_failures_are_a_sentence(backend: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    said = call("migrate")
    assert said.status == 1
    assert said.err.startswith("DATABASE_URL is not set: ")

    monkeypatch.setenv("DATABASE_URL", "mysql://localhost/a")
    said = call("migrate")
    assert said.status == 1
    assert said.err.startswith("DATABASE_URL names 'mysql': use ")

    monkeypatch.setenv("DATABASE_URL", "sqlite:///./a.db")
    path = backend / "migrations" / "versions" / "0001_people.py"
    path.write_text(path.read_text() + "    op.drop_table('nowhere')\n")
    said = call("migrate")
    assert (said.status, said.err) == (1, "0001_people.py, line 12: no such table: nowhere.\n")
