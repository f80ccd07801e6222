"""All broken servers."""

from importlib import import_module

from tests.conformance.broken.registry import BROKEN

__all__ = ["BROKEN"]

_MODULES = (
    "handshakes",
    "sent",
    "over_grpc",
    "played",
    "several_steps",
    "resumes",
    "orders",
    "received",
    "ends",
    "framing",
    "answers",
    "vectors",
    "models",
)
"""The modules that add broken servers when they are imported."""

for _name in _MODULES:
    import_module(f"tests.conformance.broken.{_name}")
