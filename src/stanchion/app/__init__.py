"""The one place that wires the parts to a FastAPI app."""

from stanchion.app.wiring import install

__all__ = ["install"]
