"""DATABASE_URL: the forms that people write."""

import importlib.util

import pytest

from stanchion.database import DatabaseURLError, parse


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("sqlite:///./app.db", "sqlite+aiosqlite:///./app.db"),
        ("sqlite:////var/app.db", "sqlite+aiosqlite:////var/app.db"),
        ("sqlite+aiosqlite:///app.db", "sqlite+aiosqlite:///app.db"),
        ("postgresql://ada@db/shop", "postgresql+asyncpg://ada@db/shop"),
        ("postgres://ada:a%40b@db:5433/shop", "postgresql+asyncpg://ada:a%40b@db:5433/shop"),
        ("postgresql+asyncpg://db/shop?sslmode=require", "postgresql+asyncpg://db/shop?sslmode=require"),
        ("postgresql://[::1]/shop", "postgresql+asyncpg://[::1]/shop"),
    ],
)
def test_a_form_that_people_write(text: str, url: str) -> None:
    assert parse(text).render_as_string(hide_password=False) == url


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "cannot be read"),
        ("hunter2", "cannot be read"),
        ("postgresql://ada:hunter2@db:port/shop", "cannot be read"),
        ("mysql://ada:hunter2@db/shop", "names 'mysql'"),
        ("postgresql+psycopg://ada:hunter2@db/shop", r"names 'postgresql\+psycopg'"),
        ("sqlite://", "SQLite in memory"),
        ("sqlite:///:memory:", "SQLite in memory"),
        ("sqlite:///file::memory:?uri=true", "SQLite in memory"),
        ("sqlite:///file:app?mode=memory&uri=true", "SQLite in memory"),
        ("sqlite://data/app.db", "write sqlite:///./app.db, with three slashes"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_without_the_password(text: str, words: str) -> None:
    with pytest.raises(DatabaseURLError, match=words) as refused:
        parse(text)
    assert "hunter2" not in str(refused.value)
    assert str(refused.value).startswith("DATABASE_URL ")
    assert str(refused.value).endswith(".")


def test_postgresql_without_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DatabaseURLError, match=r'pip install "stanchion\[postgres\]"'):
        parse("postgresql://db/shop")
