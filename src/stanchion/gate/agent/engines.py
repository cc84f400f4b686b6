"""The databases that the app has engines for."""

import gc
import sys


def urls() -> list[str]:
    """Return the URLs of SQLAlchemy's engines, without passwords, each once."""
    if "sqlalchemy" not in sys.modules:
        return []
    from sqlalchemy.engine import Engine

    frozen = gc.get_freeze_count()
    if frozen:
        gc.unfreeze()  # what is frozen is not among the objects either
    found = [one.url for one in gc.get_objects() if isinstance(one, Engine)]
    if frozen:
        gc.freeze()
    return sorted({url.render_as_string(hide_password=True) for url in found})
