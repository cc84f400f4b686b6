"""What can go wrong with a job."""


class ArgumentsError(ValueError):
    """The arguments are not those of the job's function; the message names each, and shows no value."""


class GiveUpError(Exception):
    """Raise it in a job that no further attempt can help: it fails at once, as a dead letter."""


class LeaseLostError(Exception):
    """The job is another worker's by now, or was cancelled: what this run did is rolled back."""
