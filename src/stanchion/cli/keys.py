"""`stanchion keys`: API keys, made, listed and revoked from the terminal."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stanchion.cli.failure import Failure
from stanchion.cli.options import AppDir
from stanchion.cli.tables import minute, printable, show
from stanchion.cli.transaction import in_transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from stanchion.security import ApiKey

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=36500)
_LARGEST_ID = 2**63 - 1
_OTHERS = "`--user ID|EMAIL` lists a user's, `--all` everybody's and the revoked."
_SETTING = "API_KEY, in .env or the environment, is a key of the service too, and is in no list."

keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make, list and revoke API keys.")

User = Annotated[
    str | None, typer.Option("--user", metavar="ID|EMAIL", help="Whose; without it, the service's.")
]


class Scope(StrEnum):
    """What a key may do."""

    read = "read"
    write = "write"


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,8})([smhdw])", text.strip(), re.ASCII)
    duration = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta(0)
    if not timedelta(0) < duration <= _LONGEST:
        raise typer.BadParameter(f"{text!r} is no duration: write it like 90d, 12h or 30m.")
    return duration


@keys.command()
def create(
    user: User = None,
    name: Annotated[str, typer.Option(help="What to know it by.")] = "command line",
    scope: Annotated[
        str, typer.Option(metavar="read|write|read,write", help="What it may do.")
    ] = "read,write",
    expires_in: Annotated[
        timedelta | None,
        typer.Option(parser=_duration, metavar="90d", help="After how long it ends; without it, never."),
    ] = None,
    app_dir: AppDir = Path(),
) -> None:
    """Make a key. It is printed once, alone on standard output."""
    if not 1 <= len(name) <= 100:
        raise typer.BadParameter("it has 1 to 100 characters.", param_hint="--name")
    wanted = {one.strip() for one in scope.split(",")}
    if not wanted <= set(Scope):
        raise typer.BadParameter(f"{scope!r} is not read, write or read,write.", param_hint="--scope")
    expires_at = datetime.now(UTC) + expires_in if expires_in else None

    async def work(session: "AsyncSession") -> "tuple[ApiKey, str]":
        from stanchion.security import keys as store

        owner = await _user_id(session, user, app_dir)
        scopes = [one for one in store.ALL_SCOPES if one in wanted]
        return await store.create(session, user_id=owner, name=name, scopes=scopes, expires_at=expires_at)

    key, secret = in_transaction(work, app_dir)
    may = " and ".join(key.scopes)
    typer.echo(
        f"Key {key.id} of {_whose(key.user_id)}, to {may}, {_until(key)}. It is shown this once:", err=True
    )
    typer.echo(secret)


@keys.command("list")
def list_(
    user: User = None,
    all_: Annotated[bool, typer.Option("--all", help="Everybody's, and the revoked.")] = False,
    app_dir: AppDir = Path(),
) -> None:
    """List the keys of the service, of a user, or everybody's."""
    if all_ and user is not None:
        raise typer.BadParameter("it means nothing with --user.", param_hint="--all")

    async def work(session: "AsyncSession") -> "tuple[str, list[ApiKey]]":
        from stanchion.security import keys as store

        if all_:
            return "", await store.list_all(session)
        owner = await _user_id(session, user, app_dir)
        return f" of {_whose(owner)}", await store.list_keys(session, user_id=owner)

    whose, found = in_transaction(work, app_dir)
    _print(found, empty=f"No keys{whose}.")
    if not all_:
        typer.echo(f"Shown are the keys{whose} that are not revoked: {_OTHERS}", err=True)
    if user is None:
        typer.echo(_SETTING, err=True)


@keys.command()
def revoke(
    key_id: Annotated[
        int, typer.Argument(metavar="ID", min=1, max=_LARGEST_ID, help="Its id, as in `list`.")
    ],
    app_dir: AppDir = Path(),
) -> None:
    """Revoke a key, for good."""

    async def work(session: "AsyncSession") -> "ApiKey | None":
        from stanchion.security import keys as store

        key = await store.get(session, key_id)
        return key if await store.revoke(session, key_id) else None

    key = in_transaction(work, app_dir)
    if key is None:
        raise Failure(
            f"Key {key_id} is not there, or was revoked before: `stanchion keys list --all` shows them."
        )
    typer.echo(f"Revoked key {key.id} of {_whose(key.user_id)}, {printable(repr(key.name))}.")


def _whose(user_id: int | None) -> str:
    return "the service" if user_id is None else f"user {user_id}"


async def _user_id(session: "AsyncSession", user: str | None, app_dir: Path) -> int | None:
    """Return the id of the user that was named, by id or email. Raises Failure where there is none."""
    if user is None:
        return None
    model = _user_model(app_dir)
    if re.fullmatch(r"[1-9][0-9]{0,18}", user, re.ASCII) and int(user) <= _LARGEST_ID:
        if model is not None and await session.get(model, int(user)) is None:
            raise Failure(f"There is no user {user}: name one by id or email.")
        return int(user)
    found = None if model is None else await _by_email(session, model, user)
    if found is None:
        raise Failure(f"There is no user {user!r}: name one by id or email.")
    return found


def _user_model(app_dir: Path) -> Any:
    """Return the app's `models.User`, or None where it has no such thing."""
    if not (app_dir / "models.py").is_file():
        return None
    from stanchion.database.migrations import import_models

    return getattr(import_models(app_dir), "User", None)


async def _by_email(session: "AsyncSession", model: Any, email: str) -> int | None:
    from sqlalchemy import select

    from stanchion.schemas import email_key

    if hasattr(model, "email_key"):
        condition = model.email_key == email_key(email)
    elif hasattr(model, "email"):
        condition = model.email == email
    else:
        return None
    found: int | None = (await session.execute(select(model.id).where(condition))).scalars().first()
    return found


def _until(key: "ApiKey") -> str:
    return f"until {minute(key.expires_at)}" if key.expires_at else "without an end"


def _print(rows: "list[ApiKey]", *, empty: str) -> None:
    headings = ("id", "user", "name", "begins with", "scopes", "created", "expires", "revoked")
    cells = (
        (
            key.id,
            "service" if key.user_id is None else key.user_id,
            key.name,
            key.prefix,
            " ".join(key.scopes),
            minute(key.created_at),
            minute(key.expires_at),
            minute(key.revoked_at),
        )
        for key in rows
    )
    show(headings, cells, empty=empty)
