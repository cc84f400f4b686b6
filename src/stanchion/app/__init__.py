"""The one place that wires the parts to a FastAPI app."""

from stanchion.app.install import install

__all__ = ["install"]
