"""What a process that serves does first: load the app, and little beside, so that it answers soon."""

import gc
import sys
import traceback

import typer
from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE

from stanchion.cli.failure import is_explained

REFUSED = 78
"""The exit status of a server under reload whose settings are wrong: EX_CONFIG of sysexits.h."""


class AppConfig(Config):
    """Uvicorn's configuration, which ends the process where the app cannot be loaded.

    Wrong settings are a sentence, a fault in the app's own code its traceback. An app that is
    loaded is announced, by `announcement`.
    """

    announcement = ""

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
