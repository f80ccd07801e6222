"""The reasons for which the reference codec refuses, and the limits of CONTRACT.md §15."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "EXTENT",
    "FREE_VALUES",
    "FREE_VALUES_PER_BYTE",
    "LEAF_BYTES",
    "PLACE_VALUES",
    "Rejected",
    "check_extents",
    "step",
]

LEAF_BYTES = 268_435_456
PLACE_VALUES = 16_777_216
FREE_VALUES, FREE_VALUES_PER_BYTE = 65_536, 4
EXTENT = 2**63 - 1


class Rejected(Exception):
    """A space, value or dynamic value that breaks a rule.

    Attributes:
        code: Name of the ErrorCode without its prefix.
        path: Path from the root, one subscript for each level (X-6); "" is the root.
        reason: What was expected and what was found.
    """

    def __init__(self, code: str, path: str, reason: str) -> None:
        super().__init__(f"{code} at {path or 'the root'}: {reason}")
        self.code = code
        self.path = path
        self.reason = reason


def step(key: str | int) -> str:
    """Return a key or a position as one subscript of a path (X-6)."""
    if isinstance(key, int):
        return f"[{key}]"
    return "['" + key.replace("\\", "\\\\").replace("'", "\\'") + "']"


def check_extents(shape: Sequence[int], size: int, dimensions: int, path: str) -> None:
    """Check M-6 (the product of extents) and the number of dimensions before a shape is used.

    Raises:
        Rejected: With LIMIT_EXCEEDED.
    """
    if len(shape) > dimensions:
        raise Rejected("LIMIT_EXCEEDED", path, f"{len(shape)} dimensions, at most {dimensions}")
    product = size
    for extent in shape:
        product *= extent or 1
    if product > EXTENT or any(extent > EXTENT for extent in shape):
        raise Rejected("LIMIT_EXCEEDED", path, f"the extents {list(shape)} are too large")
