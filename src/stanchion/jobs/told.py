"""Told: what runs have told since it was last written."""

import asyncio

from stanchion.jobs.leases import Lease, Progress


class Told:
    """The news of a worker's runs: how far they are, or only that one has ended."""

    def __init__(self) -> None:
        self._news: dict[Lease, Progress] = {}
        self._event = asyncio.Event()

    def tell(self, lease: Lease | None = None, progress: Progress | None = None) -> None:
        """Note that a run is further than before, or, without one, that something has ended."""
        if lease is not None and progress is not None:
            self._news[lease] = progress
        self._event.set()

    async def wait(self) -> dict[Lease, Progress]:
        """Wait for news, and take them."""
        await self._event.wait()
        self._event.clear()
        taken, self._news = self._news, {}
        return taken
