"""The size of a value once it is flattened."""

from __future__ import annotations

from typing import Any

from rlmesh.spaces._base import Space
from rlmesh.spaces._box import Box
from rlmesh.spaces._dict import Dict
from rlmesh.spaces._graph import Graph
from rlmesh.spaces._integer import IntegerSpace
from rlmesh.spaces._multi_binary import MultiBinary
from rlmesh.spaces._multi_discrete import MultiDiscrete
from rlmesh.spaces._one_of import OneOf
from rlmesh.spaces._sequence import Sequence
from rlmesh.spaces._text import Text
from rlmesh.spaces._tuple import Tuple

__all__ = ["flatdim"]


def flatdim(space: Space[Any]) -> int:
    """Return the number of elements of a flattened value, as `gymnasium.spaces.flatdim` does.

    Integers of a finite range count as one-hot, a Text as its maximum length, and a OneOf as its
    largest alternative plus one for the index.

    Raises:
        ValueError: If values of the space differ in size (Sequence, Graph).
    """
    if isinstance(space, (Box, MultiBinary)):
        return space.size
    if isinstance(space, IntegerSpace):
        return space.n
    if isinstance(space, MultiDiscrete):
        return int(sum(space.dtype.unpack(space.nvec.buffer)))
    if isinstance(space, Text):
        return space.max_length
    if isinstance(space, (Dict, Tuple)):
        return sum(flatdim(child) for _, child in space.children)
    if isinstance(space, OneOf):
        return 1 + max(flatdim(child) for child in space.spaces)
    if isinstance(space, (Sequence, Graph)):
        raise ValueError(f"{space!r} has no flattened size: its values differ in size")
    raise NotImplementedError(f"no flattened size is defined for a {type(space).__name__}")
