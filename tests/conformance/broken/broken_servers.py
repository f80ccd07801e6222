"""All broken servers."""

from tests.conformance.broken import handshakes, orders
from tests.conformance.broken.registry import BROKEN

__all__ = ["BROKEN", "MODULES"]

MODULES = (handshakes, orders)
"""The modules that add broken servers when they are imported."""
