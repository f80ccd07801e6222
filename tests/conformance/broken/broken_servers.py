"""All broken servers."""

from tests.conformance.broken import (
    answers,
    handshakes,
    models,
    orders,
    over_grpc,
    played,
    sent,
    vectors,
)
from tests.conformance.broken.registry import BROKEN

__all__ = ["BROKEN", "MODULES"]

MODULES = (answers, handshakes, models, orders, over_grpc, played, sent, vectors)
"""The modules that add broken servers when they are imported."""
