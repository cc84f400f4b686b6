"""This backend's settings: Stanchion's, and your own below them."""

import stanchion


class Settings(stanchion.Settings):
    """Read from the environment, then from .env; .env.example lists them."""

    STREAM_INTERVAL: float = 0.05
    """Seconds between two messages of POST /api/stream."""


settings = Settings.load()
