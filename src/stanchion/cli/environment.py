"""The settings, as far as the command needs them before any are loaded: the environment, then `.env`."""

import io
import os
import re
from collections.abc import Callable
from pathlib import Path

from stanchion.cli.failure import Failure

_FILE = Path(".env")
_HELP = "set it in the environment or in .env"


class Environment:
    """The variables that the backend will read. Raises Failure for a `.env` that it could not read."""

    def __init__(self) -> None:
        self._text = _read()
        self._file = _parse(self._text)

    def get(self, name: str) -> str | None:
        """Return a variable; the environment goes before `.env`."""
        return os.environ.get(name, self._file.get(name))

    def database_url(self) -> str:
        """Return DATABASE_URL. Raises Failure where there is none."""
        url = self.get("DATABASE_URL")
        if not url:
            raise Failure(f"DATABASE_URL is not set: {_HELP}, for example to sqlite:///./app.db.")
        return url

    def address(self, host: str | None, port: int | None) -> tuple[str, int]:
        """Return where to listen: the options, else HOST and PORT, else 127.0.0.1:8000."""
        if port is None:
            port = _port(self.get("PORT"))
        return (host or self.get("HOST") or "127.0.0.1").strip("[]"), port

    def embed_worker(self, wanted: bool, *, grace: int | None = None) -> None:
        """Let the processes that serve run jobs as well, or not; who sets JOBS_WORKER has decided it."""
        if not wanted:
            os.environ["JOBS_WORKER"] = "false"
        elif self.get("JOBS_WORKER") is None:
            os.environ["JOBS_WORKER"] = "true"
        if grace is not None and self.get("JOBS_GRACE") is None:
            os.environ["JOBS_GRACE"] = str(grace)

    def complete(self) -> list[str]:
        """Write to `.env` what a backend in development needs and has not; return the names written."""
        from stanchion.secret import new_key

        makers: dict[str, Callable[[], str]] = {
            "ENVIRONMENT": lambda: "development",
            "DATABASE_URL": lambda: f"sqlite:///./{_database_name(Path.cwd())}.db",
            "API_KEY": new_key,
        }
        missing = {name: make() for name, make in makers.items() if not self._has(name)}
        if missing:
            self._write(missing)
        return list(missing)

    def _has(self, name: str) -> bool:
        # An empty one in the environment was put there on purpose; in a file it waits to be filled in.
        return name in os.environ or bool(self._file.get(name))

    def _write(self, values: dict[str, str]) -> None:
        text = self._text or ""
        for name, value in values.items():
            line = f"{name}={value}"
            text, replaced = re.subn(rf"(?m)^{name}=[ \t]*$", line, text, count=1)
            if not replaced:
                text += ("" if not text or text.endswith("\n") else "\n") + line + "\n"
        try:
            if "API_KEY" in values and _FILE.exists():
                _FILE.chmod(0o600)
            # From the first moment nobody else can read it.
            with os.fdopen(
                os.open(_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
            ) as file:
                file.write(text)
        except OSError as exc:
            reason = f"{_FILE.absolute()} cannot be written ({exc.strerror})"
            raise Failure(f"{reason}: make it, or its folder, writable.") from exc
        self._text, self._file = text, _parse(text)


def _read() -> str | None:
    """Return the text of `.env`, or None where there is no such file."""
    try:
        data = _FILE.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as exc:
        reason = f"{_FILE.absolute()} cannot be read ({exc.strerror})"
        raise Failure(f"{reason}: make it a readable file.") from exc
    try:
        text = data.decode("utf-8-sig")  # as the settings read it: Windows editors put a mark first
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise Failure(f".env, line {line} is not UTF-8 text: write it again as plain text.") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise Failure(f".env, line {line} has a NUL character: delete it.")
    return text


def _parse(text: str | None) -> dict[str, str]:
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    if text is None:
        return {}
    for binding in parse_stream(io.StringIO(text)):
        source = binding.original.string
        # Blank lines before it belong to it.
        line = binding.original.line + source[: len(source) - len(source.lstrip())].count("\n")
        if binding.error:
            raise Failure(f".env, line {line} cannot be read: write NAME=value, with every quote closed.")
        if binding.key is not None and binding.value is None:
            raise Failure(f".env, line {line} gives {binding.key} no value: write {binding.key}=value.")
    return {name: value or "" for name, value in dotenv_values(stream=io.StringIO(text)).items()}


def _port(text: str | None) -> int:
    if text is None:
        return 8000
    if not re.fullmatch(r"\d{1,5}", text.strip(), re.ASCII) or int(text) > 65535:
        raise Failure(f"PORT is not valid: {text!r} is no number from 0 to 65535; {_HELP}.")
    return int(text)


def _database_name(directory: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", directory.name).strip("._-") or "app"
