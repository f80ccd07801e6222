"""`check_sample_size`: refuses spaces with samples that would take all memory, or all time.

A space comes from a peer. Eleven sequences of sequences have samples of four million elements on
average, and a Text of a few bytes may have samples of four billion characters.
"""

from __future__ import annotations

import math
from typing import Any

from rlmesh.errors import SpaceError
from rlmesh.spaces._base import Space
from rlmesh.spaces._graph import Graph
from rlmesh.spaces._one_of import OneOf
from rlmesh.spaces._sequence import Sequence
from rlmesh.spaces._text import Text

__all__ = ["check_sample_size"]

MAX_PARTS = 4_194_304
"""Max mean number of elements, characters and values of the samples that are drawn at once."""

_SEQUENCE_LENGTH = 4.0
"""Mean length of a sampled sequence."""

_GRAPH_NODES, _GRAPH_EDGES = 10.0, 45.0
"""Mean numbers of nodes and edges of a sampled graph."""


def check_sample_size(space: Space[Any], count: int = 1) -> None:
    """Raise SpaceError if `count` random values of a space would have too many parts.

    Args:
        space: The space.
        count: Number of values that are drawn at once, such as one for each lane of a vector.
    """
    parts = count * _mean_parts(space)
    if parts > MAX_PARTS:
        raise SpaceError(
            f"expected random values with at most {MAX_PARTS} elements, got a space with values of "
            f"{parts:.3g} on average; act in this environment with a model of your own"
        )


def _mean_parts(space: Space[Any]) -> float:
    parts = [_mean_parts(child) for _, child in space.children]
    if isinstance(space, Text):
        return 1 + (space.min_length + space.max_length) / 2
    if isinstance(space, Sequence):
        return 1 + _SEQUENCE_LENGTH * parts[0]
    if isinstance(space, Graph):
        edges = _GRAPH_EDGES * (2 + parts[1]) if len(parts) > 1 else 0.0
        return 1 + _GRAPH_NODES * parts[0] + edges
    if isinstance(space, OneOf):
        return 1 + max(parts)
    return 1 + sum(parts) + (math.prod(space.shape or ()) if space.is_leaf else 0)
