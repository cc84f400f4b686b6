"""This backend's settings: Stanchion's, and your own below them."""

import stanchion


class Settings(stanchion.Settings):
    """Read from the environment, then from .env; .env.example lists them."""

    MAX_STORED_BYTES: int = 100 * 1024**2
    """What the files of one user may hold in all."""
    STREAM_INTERVAL: float = 0.05
    """Seconds between two messages of POST /api/stream."""


settings = Settings.load()
