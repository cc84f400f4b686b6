"""The databases that the app has engines for."""

import sys
from typing import Any

from . import heap


def alive() -> list[Any]:
    """Return SQLAlchemy's engines, those beneath async ones too."""
    if "sqlalchemy" not in sys.modules:
        return []
    from sqlalchemy.engine import Engine  # where 1.4 has it too

    return heap.alive(Engine)


def urls() -> list[str]:
    """Return the URLs of SQLAlchemy's engines, without passwords, each once."""
    return sorted({one.url.render_as_string(hide_password=True) for one in alive()})
