"""S03 where a folder of cases cannot show it: what git tracks, and each form of a secret."""

import subprocess
from pathlib import Path

import pytest

from stanchion.gate import Finding, Verdict
from stanchion.gate.rules.security.secret_in_source import masked, secret_in_source
from stanchion.gate.source import Source
from stanchion.gate.subject import Subject

# Put together here, so that no scanner takes this file for a leak.
RANDOM = "q7Zt2Lw9Xc4Vb8Nm" + "3Ks6Jd1Hf5Gp0RyE"
AWS = "AKIA" + "Q7ZT2LW9XC4VB8NM"
GITHUB = "ghp_" + RANDOM + "aB3d"


def findings(folder: Path) -> list[Finding]:
    return list(secret_in_source.check(Subject(source=Source(folder))))


def test_s03_a_tracked_env(tmp_path: Path) -> None:
    text = f"# API_KEY=none\nSECRET_KEY={RANDOM}\nexport API_KEY='{RANDOM}'\nDEBUG=1\nOTHER_TOKEN=changeme\n"
    (tmp_path / ".env").write_text(f"{text}DATABASE_URL=postgresql://app:{RANDOM}@db.acme.org/app\n")
    (tmp_path / ".env.example").write_text(f"SECRET_KEY={RANDOM}\n")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert findings(tmp_path) == []

    subprocess.run(["git", "-C", str(tmp_path), "add", ".env", ".env.example"], check=True)
    found = findings(tmp_path)
    assert [(one.file, one.line, one.evidence) for one in found] == [
        (".env", 2, "SECRET_KEY=q7Z…"),
        (".env", 3, "API_KEY=q7Z…"),
        (".env", 6, "DATABASE_URL=q7Z…"),
    ]
    assert {one.verdict for one in found} == {Verdict.proven}


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (f'KEY_ID = "{AWS}"', Verdict.proven),
        (f'x = "{GITHUB}"', Verdict.proven),
        (f'url = "postgresql://app:{RANDOM}@localhost/app"', Verdict.proven),
        (f'SECRET_KEY = "{RANDOM}"', Verdict.suspected),
        (f'key = os.getenv("JWT_SECRET", "{RANDOM}")', Verdict.suspected),
        (f'class Settings:\n    api_key: SecretStr = SecretStr("{RANDOM}")', Verdict.suspected),
        (f'connect(password="{RANDOM}")', Verdict.suspected),
    ],
)
def test_s03_a_secret_in_code(tmp_path: Path, line: str, verdict: Verdict) -> None:
    (tmp_path / "main.py").write_text(f"{line}\n")
    (found,) = findings(tmp_path)
    assert found.verdict is verdict
    assert "…" in found.evidence
    assert not any(part in found.evidence for part in (RANDOM, AWS, GITHUB))


@pytest.mark.parametrize(
    "line",
    [
        'SECRET_KEY = os.environ["SECRET_KEY"]',
        'SECRET_KEY = "your-secret-key-1234567"',
        f'url = f"postgresql://{{user}}:{{{RANDOM}}}@host/app"',
        'url = "redis://:password@redis:6379/0"',
        'API_KEY_HEADER = "X-API-Key-2"',
        'token_type = "bearer2bearer"',
        f'hashed_password = "$argon2id${RANDOM}"',
        f'"""Send `{AWS}`: EXAMPLE."""',
        f'SECRET_KEY = "{RANDOM}"  # pragma: allowlist secret',
    ],
)
def test_s03_no_secret(tmp_path: Path, line: str) -> None:
    (tmp_path / "main.py").write_text(f"{line}\n")
    assert findings(tmp_path) == []


def test_s03_a_private_key_without_a_body_is_none(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text('START = "-----BEGIN PRIVATE KEY-----"\n')
    assert findings(tmp_path) == []


def test_s03_no_secret_is_shown_whole() -> None:
    assert [masked(text) for text in ("", "ab", "abcd", "abcdefghijkl")] == ["…", "…", "a…", "abc…"]
