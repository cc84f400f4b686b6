"""`stanchion keys`: made, listed and revoked, for the service and for users."""

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stanchion.security.keys import digest

KEY = re.compile(r"st_[a-z2-7]{8}_[A-Za-z0-9_-]{43}\n")
BASE = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class {name}(Base):
    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    {column}: Mapped[str]{rest}
"""
MODELS = BASE.format(name="User", column="email", rest="")


@pytest.fixture
def ready(backend: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A backend with a current schema, and user 5."""
    monkeypatch.setenv("DATABASE_URL", "sqlite:///./a.db")
    assert call("migrate").status == 0
    (backend / "models.py").write_text(MODELS)
    return backend


def rows() -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect("a.db")) as connection:
        query = (
            "SELECT user_id, name, scopes, digest, expires_at, revoked_at FROM stanchion_api_keys ORDER BY id"
        )
        return connection.execute(query).fetchall()


def test_a_key_of_the_service(ready: Path, call: Any) -> None:
    said = call("keys", "create")
    assert said.status == 0
    assert KEY.fullmatch(said.out)
    assert said.err == "Key 1 of the service, to read and write, without an end. It is shown this once:\n"
    assert rows() == [(None, "command line", "read write", digest(said.out.strip()), None, None)]


@pytest.mark.parametrize("user", ["5", "ada@example.com"])
def test_a_key_of_a_user(ready: Path, call: Any, user: str) -> None:
    said = call("keys", "create", "--user", user, "--name", "CI", "--scope", "read", "--expires-in", "90d")
    assert KEY.fullmatch(said.out)
    assert said.err.startswith("Key 1 of user 5, to read, until 2")
    owner, name, scopes, _, expires_at, _ = rows()[0]
    assert (owner, name, scopes) == (5, "CI", "read")
    left = datetime.fromisoformat(expires_at) - datetime.now(UTC)
    assert timedelta(days=89) < left <= timedelta(days=90)


def test_an_email_in_another_spelling(ready: Path, call: Any) -> None:
    # The template keeps addresses in their normal form, in a column of its own.
    rest = ' = mapped_column("email")'
    (ready / "models.py").write_text(BASE.format(name="User", column="email_key", rest=rest))
    assert "of user 5" in call("keys", "create", "--user", "Ada@Example.COM").err


@pytest.mark.parametrize("user", ["6", "eve@example.com", "0", "-5", "99999999999999999999", ""])
def test_a_user_that_is_not_there(ready: Path, call: Any, user: str) -> None:
    said = call("keys", "create", f"--user={user}")
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("There is no user ")
    assert rows() == []


@pytest.mark.parametrize(
    "models", [None, "", BASE.format(name="User", column="name", rest=' = mapped_column("email")')]
)
def test_an_app_without_emails(ready: Path, call: Any, models: str | None) -> None:
    if models is None:
        (ready / "models.py").unlink()
    else:
        (ready / "models.py").write_text(models)
    assert call("keys", "create", "--user", "5").status == 0
    assert call("keys", "create", "--user", "ada@example.com").status == 1


def test_list_and_revoke(ready: Path, call: Any) -> None:
    assert call("keys", "list").out == "No keys of the service.\n"
    assert call("keys", "list", "--all").out == "No keys.\n"
    call("keys", "create", "--name", "first \x1b[31mred [bold]")
    call("keys", "create", "--user", "5", "--name", "hers", "--expires-in", "12h")

    said = call("keys", "list").out
    assert "first \ufffd[31mred [bold]" in said
    assert "hers" not in said
    said = call("keys", "list", "--user", "5").out
    assert "hers" in said
    assert "first" not in said
    assert re.search(r"^2 +5 +hers +st_[a-z2-7]{8} +read write +20.. UTC|20", said, re.MULTILINE)

    said = call("keys", "revoke", "1")
    revoked = "Revoked key 1 of the service, 'first \\x1b[31mred [bold]'.\n"
    assert (said.status, said.out, said.err) == (0, revoked, "")
    assert call("keys", "list").out == "No keys of the service.\n"
    everybodys = call("keys", "list", "--all").out
    assert "first" in everybodys
    assert "hers" in everybodys

    for key_id in ("1", "77"):
        said = call("keys", "revoke", key_id)
        assert said.status == 1
        assert said.err == (
            f"Key {key_id} is not there, or was revoked before: `stanchion keys list --all` shows them.\n"
        )


def test_a_list_says_whose_it_is_and_how_to_see_the_rest(ready: Path, call: Any) -> None:
    call("keys", "create", "--user", "5", "--name", "hers")
    rest = "`--user ID|EMAIL` lists a user's, `--all` everybody's and the revoked.\n"
    setting = "API_KEY, in .env or the environment, is a key of the service too, and is in no list.\n"

    said = call("keys", "list")
    assert (said.status, said.out) == (0, "No keys of the service.\n")
    assert said.err == f"Shown are the keys of the service that are not revoked: {rest}{setting}"

    said = call("keys", "list", "--user", "ada@example.com")
    assert "hers" in said.out
    assert said.err == f"Shown are the keys of user 5 that are not revoked: {rest}"

    assert call("keys", "revoke", "1").out == "Revoked key 1 of user 5, 'hers'.\n"
    assert call("keys", "list", "--user", "5").out == "No keys of user 5.\n"
    said = call("keys", "list", "--all")
    assert "hers" in said.out
    assert said.err == setting


@pytest.mark.parametrize(
    "arguments",
    [
        "create --expires-in 90",
        "create --expires-in 0d",
        "create --expires-in 99999999w",
        "create --scope admin",
        "create --name=",
        f"create --name={'x' * 101}",
        "list --all --user 5",
        "revoke 0",
        "revoke x",
    ],
)
def test_wrong_usage(ready: Path, call: Any, arguments: str) -> None:
    said = call("keys", *arguments.split())
    assert (said.status, said.out) == (2, "")
    assert rows() == []


def test_a_schema_that_is_not_current(backend: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///./a.db")
    said = call("keys", "create")
    assert (said.status, said.err) == (1, "The database's schema is empty: run `stanchion migrate`.\n")
