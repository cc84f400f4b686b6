"""The environment and `.env`: what is written, what is left alone, and how a broken file is told."""

import re
import stat
from pathlib import Path

import pytest

from stanchion.cli.environment import Environment
from stanchion.cli.failure import Failure

KEY = re.compile(r"st_[a-z2-7]{8}_[A-Za-z0-9_-]{43}")


def lines(folder: Path) -> list[str]:
    return (folder / ".env").read_text().splitlines()


def test_what_is_missing_is_written(folder: Path) -> None:
    environment = Environment()
    assert environment.complete() == ["ENVIRONMENT", "DATABASE_URL", "API_KEY"]
    first, second, third = lines(folder)
    assert [first, second] == ["ENVIRONMENT=development", "DATABASE_URL=sqlite:///./shop.db"]
    assert KEY.fullmatch(third.removeprefix("API_KEY="))
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert environment.get("API_KEY") == third.removeprefix("API_KEY=")
    assert environment.database_url() == "sqlite:///./shop.db"
    assert Environment().complete() == []


def test_what_is_there_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite:///./other.db")
    monkeypatch.setenv("ENVIRONMENT", "")
    (folder / ".env").write_text("# mine\nOTHER='a b'\nDATABASE_URL=sqlite:///./file.db")
    environment = Environment()
    assert environment.complete() == ["API_KEY"]
    assert lines(folder)[:3] == ["# mine", "OTHER='a b'", "DATABASE_URL=sqlite:///./file.db"]
    assert lines(folder)[3].startswith("API_KEY=st_")
    assert environment.database_url() == "sqlite:///./other.db"
    assert environment.get("OTHER") == "a b"
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600

    monkeypatch.setenv("API_KEY", "from-the-environment")
    (folder / ".env").unlink()
    assert Environment().complete() == []
    assert not (folder / ".env").exists()


def test_a_copied_example_is_filled_in(folder: Path) -> None:
    (folder / ".env").write_text("API_KEY=\nENVIRONMENT=production\n\nDATABASE_URL=sqlite:///./a.db\n")
    assert Environment().complete() == ["API_KEY"]
    assert len(lines(folder)) == 4
    assert KEY.fullmatch(lines(folder)[0].removeprefix("API_KEY="))
    assert lines(folder)[1:] == ["ENVIRONMENT=production", "", "DATABASE_URL=sqlite:///./a.db"]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"A=1\n\n\nB C\nD=2\n", "^.env, line 4 cannot be read: write NAME=value, with every quote closed.$"),
        (b'A="open\n', "^.env, line 1 cannot be read"),
        (b"A=1\nB\n", "^.env, line 2 gives B no value: write B=value.$"),
        (b"A=1\nB=\xff\n", "^.env, line 2 is not UTF-8 text: write it again as plain text.$"),
        (b"A=1\nB=\0\n", "^.env, line 2 has a NUL character: delete it.$"),
    ],
)
def test_a_broken_file(folder: Path, data: bytes, sentence: str) -> None:
    (folder / ".env").write_bytes(data)
    with pytest.raises(Failure, match=sentence):
        Environment()


def test_a_file_that_is_none(folder: Path) -> None:
    (folder / ".env").mkdir()
    with pytest.raises(
        Failure, match=r"/\.env cannot be read \(Is a directory\): make it a readable file\.$"
    ):
        Environment()


def test_a_folder_that_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc")
    with pytest.raises(
        Failure, match=r"^/proc/\.env cannot be written \(.+\): make it, or its folder, writable\.$"
    ):
        Environment().complete()


def test_where_to_listen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Environment().address(None, None) == ("127.0.0.1", 8000)
    (folder / ".env").write_text("HOST=0.0.0.0\nPORT=8100\n")
    assert Environment().address(None, None) == ("0.0.0.0", 8100)
    monkeypatch.setenv("PORT", "8200")
    assert Environment().address(None, None) == ("0.0.0.0", 8200)
    assert Environment().address("[::1]", 0) == ("::1", 0)


@pytest.mark.parametrize("port", ["abc", "", "-1", "65536", "8000.0", "٨"])
def test_a_port_that_is_none(folder: Path, port: str) -> None:
    (folder / ".env").write_text(f"PORT={port}\n")
    with pytest.raises(
        Failure, match=r"^PORT is not valid: .* is no number from 0 to 65535; set it in the env"
    ):
        Environment().address(None, None)


def test_a_database_that_is_not_named(folder: Path) -> None:
    with pytest.raises(
        Failure, match=r"^DATABASE_URL is not set: set it in the environment or in \.env, for"
    ):
        Environment().database_url()


@pytest.mark.parametrize(("name", "database"), [(".dev", "dev"), ("My Shop 2", "My_Shop_2"), ("商店", "app")])
def test_a_database_is_named_after_its_folder(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, database: str
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    environment = Environment()
    environment.complete()
    assert environment.database_url() == f"sqlite:///./{database}.db"
