"""What differs from one machine to the next: from the environment, then from .env."""

import stanchion

settings = stanchion.Settings.load()
