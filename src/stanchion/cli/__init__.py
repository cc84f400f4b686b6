"""The command, `stanchion`: one file per command.

Importing this loads nothing: the server's child processes import it too.
"""


def main() -> None:
    """Run the command and exit: 0, 1 with one sentence on standard error, or 2 for wrong usage."""
    from stanchion.cli.commands import app
    from stanchion.cli.failure import explained

    with explained():
        app()
