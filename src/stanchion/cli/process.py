"""What a process that serves does first: load the app, and little beside, so that it answers soon."""

import gc
import logging
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from threading import Thread

import typer
from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE

from stanchion.cli.environment import Environment
from stanchion.cli.failure import is_explained

REFUSED = 78
"""The exit status of a server under reload whose settings are wrong: EX_CONFIG of sysexits.h."""


class AppConfig(Config):
    """Uvicorn's configuration, which ends the process where the app cannot be loaded.

    Wrong settings are a sentence, a fault in the app's own code its traceback. An app that is
    loaded is announced, by `announcement`.
    """

    announcement = ""
    compared: Path | None = None
    """The app's directory, where its models are to be compared with the database once it is loaded."""

    def load(self) -> None:
        """Load the app. Raises SystemExit with the status that this process's supervisor understands."""
        # Loading makes a million objects and no garbage: looking for some took a sixth of the time.
        # Frozen, they are never looked at again.
        gc.disable()
        try:
            super().load()
            gc.freeze()
            if self.announcement:
                typer.echo(self.announcement)
            if self.compared:
                Thread(target=_compare, args=(self.compared,), daemon=True).start()
        except Exception as exc:
            if is_explained(exc):
                sys.stderr.write(f"{exc}\n")
                sys.exit(REFUSED if self.reload else self._failed)
            traceback.print_exc()
            sys.exit(self._failed)
        finally:
            gc.enable()

    @property
    def _failed(self) -> int:
        # A supervisor starts any other failure over, again and again.
        return STARTUP_FAILURE if self.use_subprocess else 1


def _compare(app_dir: Path) -> None:
    """Say what the models have and the database has not, before a request meets it."""
    logging.getLogger("alembic").setLevel(logging.WARNING)  # nobody has asked what it sets up

    from stanchion.cli.migrate import differing
    from stanchion.database.schema import SchemaError

    with suppress(SchemaError):  # it is no fault of the app's, which was loaded
        lines, advice = differing(Environment().database_url(), app_dir)
        if lines:
            sys.stderr.write("".join(f"- {line}\n" for line in lines) + f"{advice}\n")
