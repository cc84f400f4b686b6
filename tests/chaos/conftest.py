"""Backends whose database keeps what it acknowledged, also through a crash."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.backend import Backend, make

from stanchion.testing import postgres


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def durable(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A backend, not started; once on each engine."""
    if request.param == "sqlite":
        yield make(tmp_path, f"sqlite:///{tmp_path}/test.db")
        return
    with postgres.PostgresServer(durable=True) as server:
        yield make(tmp_path, server.create_database())
