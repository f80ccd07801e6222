"""All broken servers."""

from tests.conformance.broken import handshakes, orders, over_grpc, played, sent
from tests.conformance.broken.registry import BROKEN

__all__ = ["BROKEN", "MODULES"]

MODULES = (handshakes, orders, over_grpc, played, sent)
"""The modules that add broken servers when they are imported."""
