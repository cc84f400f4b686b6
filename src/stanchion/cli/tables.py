"""Tables, as the commands print them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import typer


def show(
    headings: Sequence[str], rows: Iterable[Sequence[Any]], *, empty: str, wrapped: str | None = None
) -> None:
    """Print a table; a program that reads it gets no line cut off. Where there are no rows, `empty`.

    On a terminal the column `wrapped` takes as many lines as it needs, so that no other is cut.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        is_wrapped = heading == wrapped and console.is_terminal
        table.add_column(heading, no_wrap=not is_wrapped, overflow="fold" if is_wrapped else "ellipsis")
    for row in rows:
        table.add_row(*map(_plain, row))
    if not table.rows:
        typer.echo(empty)
        return
    if not console.is_terminal:
        console.width = 2000
    console.print(table)


def minute(moment: datetime | None) -> str:
    """Write a moment for a person: to the minute, in UTC."""
    return moment.strftime("%Y-%m-%d %H:%M UTC") if moment else ""


def printable(text: str) -> str:
    """Return a text without what would move the cursor: it is data."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _plain(value: Any) -> Any:
    from rich.text import Text

    return Text(printable(str(value)))  # no markup
