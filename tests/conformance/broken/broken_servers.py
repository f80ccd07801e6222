"""All broken servers."""

from tests.conformance.broken import handshakes, orders, played
from tests.conformance.broken.registry import BROKEN

__all__ = ["BROKEN", "MODULES"]

MODULES = (handshakes, orders, played)
"""The modules that add broken servers when they are imported."""
