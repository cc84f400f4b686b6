"""Stanchion makes FastAPI backends safe to ship.

The public names resolve on first use (PEP 562), so that `import stanchion` costs nothing
and the command starts fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stanchion.app import install as install
    from stanchion.caller import Caller as Caller
    from stanchion.database import Database as Database
    from stanchion.errors import DomainError as DomainError
    from stanchion.resource import Resource as Resource
    from stanchion.settings import Settings as Settings

__version__ = "0.1.0rc1"

_HOMES = {
    "Caller": "stanchion.caller",
    "Database": "stanchion.database",
    "DomainError": "stanchion.errors",
    "Resource": "stanchion.resource",
    "Settings": "stanchion.settings",
    "install": "stanchion.app",
}

__all__ = ["Caller", "Database", "DomainError", "Resource", "Settings", "__version__", "install"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stanchion' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
