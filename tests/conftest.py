"""For every test: the plugin that the library ships, and asyncio alone under anyio."""

import pytest

pytest_plugins = ["stanchion.testing.plugin"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
