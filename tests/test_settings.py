"""Settings: from the environment and .env, and the sentence for each that is missing or wrong."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from stanchion.settings import Settings, SettingsError

KEY = "st_ab2cd3ef_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
NAMES = tuple(Settings.model_fields)


@pytest.fixture(autouse=True)
def complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment with what is required, in a directory without a .env."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///./app.db")
    monkeypatch.setenv("API_KEY", KEY)


def sentence(kind: type[Settings] = Settings) -> str:
    with pytest.raises(SettingsError) as failed:
        kind.load()
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__, "a traceback would show the values"
    return str(failed.value)


def test_what_is_not_set_has_its_default() -> None:
    settings = Settings.load()
    assert (settings.ENVIRONMENT, settings.HOST, settings.PORT) == ("production", "127.0.0.1", 8000)
    assert (settings.CORS_ORIGINS, settings.CORS_CREDENTIALS) == (["http://localhost:3000"], True)
    assert (settings.MAX_BODY_SIZE, settings.SIGN_IN_LIMIT) == (1024 * 1024, "5/minute")
    assert (settings.LOG_LEVEL, settings.LOG_FORMAT) == ("INFO", "auto")


def test_what_is_signed_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of API_KEY, in a way that does not show it; or SECRET_KEY."""
    made = Settings.load().signing_secret
    assert len(made) == 64
    assert made == Settings.load().signing_secret
    assert made != Settings.load(API_KEY=SecretStr(KEY[::-1])).signing_secret
    monkeypatch.setenv("SECRET_KEY", "s" * 31)
    assert sentence() == "SECRET_KEY is not valid: set it to 32 random characters or more, or leave it out."
    monkeypatch.setenv("SECRET_KEY", "s" * 32)
    assert sentence() == "SECRET_KEY is a placeholder: set a long random value."
    monkeypatch.setenv("SECRET_KEY", KEY[::-1])
    assert Settings.load().signing_secret == KEY[::-1]


def test_a_secret_does_not_show() -> None:
    assert KEY not in repr(Settings.load())


def test_the_environment_comes_before_the_file_and_arguments_before_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(".env").write_text("PORT=1\nHOST=0.0.0.0\nLOG_LEVEL=DEBUG\nANOTHER=x\n")
    monkeypatch.setenv("PORT", "2")
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    settings = Settings.load(LOG_LEVEL="WARNING")
    assert (settings.PORT, settings.HOST, settings.LOG_LEVEL) == (2, "0.0.0.0", "WARNING")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_alone(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    Path(".env").write_text("DATABASE_URL=sqlite:///./bücher.db\n", encoding=encoding)
    assert Settings.load().DATABASE_URL == "sqlite:///./bücher.db"


@pytest.mark.parametrize(
    ("text", "origins"),
    [
        ("", []),
        ("https://a.example", ["https://a.example"]),
        (" https://a.example/, http://b.example:81 ,", ["https://a.example", "http://b.example:81"]),
    ],
)
def test_origins_are_separated_by_commas(
    text: str, origins: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", text)
    assert origins == Settings.load().CORS_ORIGINS


def test_origins_as_a_list() -> None:
    assert Settings.load(CORS_ORIGINS=["https://a.example"]).CORS_ORIGINS == ["https://a.example"]


@pytest.mark.parametrize("name", ["DATABASE_URL", "API_KEY"])
def test_what_is_required_says_what_to_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    assert sentence().startswith(f"{name} is not set: set it")


def test_what_a_subclass_requires() -> None:
    class Own(Settings):
        MAIL_HOST: str

    assert sentence(Own) == "MAIL_HOST is not set: set it in the environment or in .env."


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "eighty", "valid integer"),
        ("PORT", "70000", "less than or equal to 65535"),
        ("ENVIRONMENT", "prod", "'development', 'test' or 'production'"),
        ("LOG_FORMAT", "xml", "'auto', 'json' or 'console'"),
        ("MAX_BODY_SIZE", "0", "greater than or equal to 1"),
        ("SIGN_IN_LIMIT", "often", "write it like 5/minute or 100/hour"),
        ("API_KEY", "hunter2", "set it to 16 random characters or more"),
        ("API_KEY", "schlüssel-" * 3, "set it to 16 random characters or more"),
        ("API_KEY", "with a blank in it", "set it to 16 random characters or more"),
        ("CORS_ORIGINS", "localhost:3000", "is no origin: write it like https://app.example.com"),
        ("SIGN_IN_LIMIT", "0/minute", "it must let somebody in"),
        ("SIGN_UP_LIMIT", "5/minute;7/hour", "write it like 5/minute"),
        ("CORS_CREDENTIALS", "perhaps", "valid boolean"),
    ],
)
def test_what_is_wrong_is_named_without_its_value(
    name: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    said = sentence()
    assert said.startswith(f"{name} is not valid: ")
    assert said.endswith(".")
    assert words in said
    assert "\n" not in said
    assert name != "API_KEY" or value not in said


@pytest.mark.parametrize(
    "key", ["change-me-change-me", "your_api_key_here", "SECRETSECRETSECRET", "aaaaaaaaaaaaaaaaaaaa"]
)
def test_production_refuses_a_placeholder(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", key)
    assert sentence() == "API_KEY is a placeholder: set a long random value."
    for environment in ("development", "test"):
        assert SecretStr(key) == Settings.load(ENVIRONMENT=environment).API_KEY


def test_any_origin_with_credentials_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "*")
    assert sentence().startswith("CORS_ORIGINS=* lets any site act for your users: name the origins")
    assert Settings.load(CORS_CREDENTIALS=False).CORS_ORIGINS == ["*"]


def test_a_file_that_is_no_text() -> None:
    Path(".env").write_text("PORT=1", encoding="utf-16")
    assert sentence() == ".env is not UTF-8 text: write it again as plain text."


def test_a_list_of_a_subclass_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(Settings):
        SERVERS: list[str]

    monkeypatch.setenv("SERVERS", '["a"]')
    assert Own.load().SERVERS == ["a"]
    monkeypatch.setenv("SERVERS", "hunter2")
    assert "SERVERS" in (said := sentence(Own))
    assert "hunter2" not in said
