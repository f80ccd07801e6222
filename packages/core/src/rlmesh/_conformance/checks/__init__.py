"""All checks, in the order in which they are made.

The order matters: the first failure should be that of the rule that is broken. What later checks
build on comes first.
"""

from importlib import import_module

from rlmesh._conformance.registry import CHECKS

__all__ = ["ALL_CHECKS"]

_MODULES = (
    "handshake",
    "grpc_binding",
    "vectors",
    "requests",
    "sent_data",
    "resume",
    "order",
    "received_data",
    "known_answers",
    "echoes",
    "models",
    "model_answers",
    "clients",
    "closing",
    "frames",
)
"""The modules that register the checks when they are imported."""

for _name in _MODULES:
    import_module(f"{__name__}.{_name}")

ALL_CHECKS = tuple(sorted(CHECKS, key=lambda check: (check.stage, not check.gate)))
