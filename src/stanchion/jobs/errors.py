"""What can go wrong with a job."""

from typing import Any


class ArgumentsError(ValueError):
    """The arguments are not those of the job's function; the message names each, and shows no value."""


class GiveUpError(Exception):
    """Raise it in a job that no further attempt can help: it fails at once, as a dead letter.

    `details`, anything that JSON can hold, is kept beside the message, as `job.error.details`.
    """

    def __init__(self, message: str = "", details: Any = None) -> None:
        super().__init__(message)
        self.details = details


class ResultError(ValueError):
    """What the job's function returned has no form in JSON."""


class LeaseLostError(Exception):
    """The job is another worker's by now, or was cancelled: what this run did is rolled back."""
