"""`check_value_size`: refuses spaces with values that no message can carry."""

from __future__ import annotations

import math
from typing import Any

from rlmesh.errors import SpaceError
from rlmesh.spaces._base import MAX_LEAF_BYTES, Space
from rlmesh.spaces._dict import Dict
from rlmesh.spaces._one_of import OneOf
from rlmesh.spaces._tuple import Tuple

__all__ = ["check_value_size"]


def check_value_size(space: Space[Any], count: int, name: str) -> None:
    """Raise SpaceError if every batch of `count` values of a space is too large for a message.

    Args:
        space: The space.
        count: Number of values that are sent at once: the lanes of a vector, or 1.
        name: Name of the space, for the message.
    """
    size = count * _min_bytes(space)
    if size > MAX_LEAF_BYTES:
        lanes = f" of {count} lanes" if count > 1 else ""
        raise SpaceError(
            f"expected values of at most {MAX_LEAF_BYTES} bytes, because a message has no more; "
            f"got values{lanes} of {size} bytes; use a smaller dtype or shape, or fewer lanes",
            path=name,
            rule="M-1",
        )


def _min_bytes(space: Space[Any]) -> int:
    """Return the size of the smallest value of a space in bytes, without lengths of parts."""
    if isinstance(space, (Dict, Tuple)):
        return sum(_min_bytes(child) for _, child in space.children)
    if isinstance(space, OneOf):
        return min(_min_bytes(child) for _, child in space.children)
    if not space.is_leaf or space.dtype is None:
        return 0
    return math.prod(space.shape or ()) * space.dtype.itemsize
