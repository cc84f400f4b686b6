"""The error of this package."""


class ScaffoldError(Exception):
    """The project cannot be made; the message is one sentence that says what to do next."""
