"""C07: which variables the code needs, and whether git ignores .env."""

import subprocess
from pathlib import Path

import pytest

from stanchion.gate.model import NotChecked
from stanchion.gate.rules.code.incomplete_env_example import incomplete_env_example
from stanchion.gate.source import Source
from stanchion.gate.subject import Subject

IMPORTS = "import os\nfrom os import environ\nfrom pydantic_settings import BaseSettings\n"


def missing(folder: Path, code: str, example: str | None = "OTHER=1\n") -> list[str]:
    (folder / "main.py").write_text(f"{IMPORTS}{code}\n")
    if example is not None:
        (folder / ".env.example").write_text(example)
    found = incomplete_env_example.check(Subject(source=Source(folder)))
    return [one.message.removeprefix("The code reads ").partition(",")[0] for one in found]


def test_c07_a_variable_with_a_colon_and_one_of_the_image(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python\nENV B=1\n  ENV C 2\n")
    assert missing(tmp_path, "environ['A'], environ['B'], environ['C'], environ['D']", "A: value\n") == ["D"]


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("os.environ['A']; os.getenv('B'); environ.get('C', ''); os.environ['A']", ["A", "B", "C"]),
        ("class S(BaseSettings):\n    a: str\n    b: int = 1", ["A"]),
        ("class S(BaseSettings):\n    model_config = {'env_prefix': 'X_'}\n    a: str = Field(...)", ["X_A"]),
        ("class S(BaseSettings, env_prefix='X_'):\n    a: Annotated[str, Field(min_length=1)]", ["X_A"]),
        ("class S(BaseSettings):\n    class Config:\n        env_prefix = 'X_'\n    a: str", ["X_A"]),
        ("class S(BaseSettings):\n    a: str = Field(alias='Z')", ["Z"]),
        (
            "class B(BaseSettings):\n    a: str\n    b: str\nclass S(B, env_prefix='X_'):\n    b: str = ''",
            ["X_A"],
        ),
    ],
)
def test_c07_what_is_missing(tmp_path: Path, code: str, names: list[str]) -> None:
    assert missing(tmp_path, code) == names
    assert missing(tmp_path, code, "".join(f"# {name}=\n" for name in names)) == []


@pytest.mark.parametrize(
    "code",
    [
        "os.environ['A'] = '1'; os.getenv(name); os.environ['HOME']",
        "class S(BaseSettings):\n    a: str = ''\n    b: list[str] = Field(default_factory=list)\n"
        "    _c: str",
        "class S(BaseSettings):\n    a: str\nS(a='1')",
        "class S(BaseModel):\n    a: str",
    ],
)
def test_c07_nothing_is_needed(tmp_path: Path, code: str) -> None:
    with pytest.raises(NotChecked):
        missing(tmp_path, code, None)


def test_c07_a_nested_variable(tmp_path: Path) -> None:
    code = "class S(BaseSettings, env_nested_delimiter='__'):\n    db: Db"
    assert missing(tmp_path, code, "DB__HOST=localhost\n") == []
    assert missing(tmp_path, code, "DB_HOST=localhost\n") == ["DB"]


def test_c07_git_ignores_env(tmp_path: Path) -> None:
    code = "os.getenv('OTHER')"
    (tmp_path / ".env").write_text("OTHER=2\n")
    assert missing(tmp_path, code) == []  # no repository
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert missing(tmp_path, code) == ["Git does not ignore .env."]
    (tmp_path / ".gitignore").write_text(".env\n")
    assert missing(tmp_path, code) == []
    subprocess.run(["git", "-C", str(tmp_path), "add", "-f", ".env"], check=True)
    assert missing(tmp_path, code) == ["Git does not ignore .env."]


def test_c07_git_ignores_env_where_no_variable_must_be_set(tmp_path: Path) -> None:
    code = "class S(BaseSettings):\n    other: str = ''"
    with pytest.raises(
        NotChecked, match=r"there is no \.env\.example, and no variable must be set: the code"
    ):
        missing(tmp_path, code, None)
    (tmp_path / ".env").write_text("OTHER=2\n")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert missing(tmp_path, code) == ["Git does not ignore .env."]


def test_c07_a_file_that_is_there_is_looked_at(tmp_path: Path) -> None:
    code = "class S(BaseSettings):\n    other: str = ''"
    assert missing(tmp_path, code) == []  # no variable must be set, and it is there
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert missing(tmp_path, code) == []
    (tmp_path / ".gitignore").write_text(".env*\n")
    assert missing(tmp_path, code) == ["Git ignores .env.example: it is committed nowhere."]
    (tmp_path / ".gitignore").write_text(".env*\n!.env.example\n")
    assert missing(tmp_path, code) == []
    (tmp_path / ".gitignore").write_text(".env*\n")
    subprocess.run(["git", "-C", str(tmp_path), "add", "-f", ".env.example"], check=True)
    assert missing(tmp_path, code) == []  # it is committed all the same
