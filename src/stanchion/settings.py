"""Settings: what differs from one machine to the next, read from the environment and `.env`."""

import hmac
import re
from typing import Annotated, Any, Literal, Self

from limits import parse_many
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

_ADVICE = {
    "DATABASE_URL": "set it, for example to sqlite:///./app.db or postgresql://user:password@host/name",
    "SECRET_KEY": "set it to 32 random characters or more, or leave it out",
    "API_KEY": "set it to 16 random characters or more; `stanchion dev` makes one where .env has none",
}
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#]+", re.IGNORECASE)
_PLACEHOLDERS = ("change", "example", "placeholder", "secret", "password", "your", "xxx", "test", "default")


class SettingsError(Exception):
    """Settings are missing or wrong; the message has a sentence, and a line, for each: what to set."""


class Settings(BaseSettings):
    """The settings of a backend. Subclass it to add your own.

    Read from the environment first, then from `.env` in the current directory. There is no
    default for a secret or for the database.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8-sig",  # Windows editors put a mark first
        extra="ignore",
        case_sensitive=True,
        hide_input_in_errors=True,
    )

    ENVIRONMENT: Literal["development", "test", "production"] = Field(
        "production", description="Where this runs. Production refuses placeholder secrets."
    )
    DATABASE_URL: str = Field(description="sqlite:///./app.db or postgresql://user:password@host/name")
    DATABASE_POOL_SIZE: int = Field(10, ge=1, le=1000, description="Connections kept open, per process.")
    API_KEY: SecretStr = Field(
        min_length=16, description="The service key: for your own servers, never for a browser."
    )
    API_KEY_CACHE: float = Field(
        2.0, ge=0, le=60, description="Seconds for which a key that was found is not looked up again."
    )
    SECRET_KEY: SecretStr | None = Field(
        None, min_length=32, description="Signs cursors and tickets; made of API_KEY where it is not set."
    )
    CORS_ORIGINS: Annotated[list[str], NoDecode] = Field(
        ["http://localhost:3000"], description="Origins that browsers may call from, separated by commas."
    )
    CORS_HEADERS: Annotated[list[str], NoDecode] = Field(
        [], description="Headers that browsers may send beside the usual, like traceparent; with commas."
    )
    CORS_CREDENTIALS: bool = Field(True, description="Whether browsers may send credentials.")
    HOST: str = Field("127.0.0.1", description="The address to listen on.")
    PORT: int = Field(8000, ge=0, le=65535, description="The port to listen on.")
    MAX_BODY_SIZE: int = Field(1024 * 1024, ge=1, description="The largest request body, in bytes.")
    SIGN_IN_LIMIT: str = Field("5/minute", description="Failed sign-ins per email and address.")
    SIGN_UP_LIMIT: str = Field("30/hour", description="New accounts per address.")
    SIGN_IN_STORAGE: str = Field(
        "async+memory://", description="Where they are counted: in each process, or async+redis://host."
    )
    IDEMPOTENCY_HOURS: float = Field(
        24.0, gt=0, le=8760, description="Hours for which the reply to an Idempotency-Key is kept."
    )
    JOBS_WORKER: bool = Field(
        False, description="Whether the server runs jobs too; `stanchion dev` and `run` set it."
    )
    JOBS_CONCURRENCY: int = Field(5, ge=1, le=1000, description="Jobs that run at a time, per process.")
    JOBS_GRACE: float = Field(
        10.0, ge=0, le=3600, description="Seconds that a stop waits for jobs; then others get them."
    )
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="The least level logged."
    )
    LOG_FORMAT: Literal["auto", "json", "console"] = Field(
        "auto", description="auto is console in a development terminal and JSON anywhere else."
    )

    @property
    def signing_secret(self) -> str:
        """Return what cursors are signed with: the same in every process, and of no other use."""
        if self.SECRET_KEY is not None:
            return self.SECRET_KEY.get_secret_value()
        return hmac.digest(self.API_KEY.get_secret_value().encode(), b"stanchion signing", "sha256").hex()

    @classmethod
    def load(cls, **values: Any) -> Self:
        """Read the settings. Raises SettingsError, which names each wrong variable and what to do."""
        try:
            return cls(**values)
        except UnicodeDecodeError:
            raise SettingsError(".env is not UTF-8 text: write it again as plain text.") from None
        except (
            SourceError
        ) as exc:  # a list or a dict of a subclass; the message names the field, and no value
            raise SettingsError(f"A setting is not valid JSON: {exc}.") from None
        except ValidationError as exc:
            errors = exc.errors(include_input=False, include_url=False)
            raise SettingsError("\n".join(dict.fromkeys(map(_sentence, errors)))) from None

    @field_validator("CORS_ORIGINS", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [origin.strip().rstrip("/") for origin in value.split(",") if origin.strip()]
        return value

    @field_validator("CORS_HEADERS", mode="before")
    @classmethod
    def _split_headers(cls, value: Any) -> Any:
        return [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value

    @field_validator("CORS_ORIGINS")
    @classmethod
    def _origins(cls, value: list[str]) -> list[str]:
        for origin in value:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin: write it like https://app.example.com")
        return value

    @field_validator("API_KEY")
    @classmethod
    def _sendable(cls, value: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[\x21-\x7e]+", value.get_secret_value()):
            raise ValueError("a header carries it: letters, digits and signs of ASCII, without blanks")
        return value

    @field_validator("SIGN_IN_LIMIT", "SIGN_UP_LIMIT")
    @classmethod
    def _limit(cls, value: str) -> str:
        try:
            (rate,) = parse_many(value)
        except ValueError:
            raise ValueError("write it like 5/minute or 100/hour") from None
        if rate.amount < 1:
            raise ValueError("it must let somebody in: write it like 5/minute")
        return value

    @model_validator(mode="after")
    def _production(self) -> Self:
        if "*" in self.CORS_ORIGINS and self.CORS_CREDENTIALS:
            raise ValueError("CORS_ORIGINS=* lets any site act for your users: name the origins")
        for name in ("API_KEY", "SECRET_KEY") if self.ENVIRONMENT == "production" else ():
            secret: SecretStr | None = getattr(self, name)
            if secret is not None and _is_placeholder(secret.get_secret_value()):
                raise ValueError(f"{name} is a placeholder: set a long random value")
        return self


def _is_placeholder(secret: str) -> bool:
    """Tell a secret that somebody typed to fill the field from one that was drawn at random."""
    return len(set(secret)) < 8 or secret.lower().startswith(_PLACEHOLDERS)


def _sentence(error: ErrorDetails) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    if error["type"] == "missing":
        return f"{name} is not set: {_ADVICE.get(name, 'set it in the environment or in .env')}."
    reason = _ADVICE.get(name, error["msg"].removeprefix("Value error, "))
    return f"{name} is not valid: {reason}." if name else f"{reason}."
