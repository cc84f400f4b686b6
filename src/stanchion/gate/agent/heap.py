"""The objects that are alive in the app's process."""

import gc
from typing import Any


def alive(kind: type) -> list[Any]:
    """Return the objects of a class, those too that `gc.freeze()` has set aside."""
    frozen = gc.get_freeze_count()
    if frozen:
        gc.unfreeze()  # what is frozen is not among the objects
    try:
        return [one for one in gc.get_objects() if isinstance(one, kind)]
    finally:
        if frozen:
            gc.freeze()


def counts() -> dict[str, int]:
    """Return how many objects the collector never looks at again (gc.freeze), and how many it does."""
    return {"frozen": gc.get_freeze_count(), "objects": len(gc.get_objects())}
