"""Comparison of the lanes of a vector's batched space."""

from __future__ import annotations

from typing import Any

import gymnasium.spaces as gs
import numpy as np

from rlmesh.errors import SpaceError
from rlmesh.spaces import path_text
from rlmesh_numpy._spaces import spaces_from_gymnasium

__all__ = ["differing_part"]


def differing_part(batched: Any, single: Any) -> str | None:
    """Return the path of the first part of a space in which the lanes differ, as in bounds.

    None: the lanes have equal spaces, or `batched` is no batch of spaces like `single`.

    Args:
        batched: The space of the vector's observations.
        single: The space of one lane.
    """
    path = _differing(batched, single, ())
    return None if path is None else path_text(path)


def _differing(
    batched: Any, single: Any, path: tuple[str | int, ...]
) -> tuple[str | int, ...] | None:
    if isinstance(single, gs.Dict) and isinstance(batched, gs.Dict):
        keys: list[Any] = [key for key in single.spaces if key in batched.spaces]
        pairs: list[tuple[Any, Any, Any]] = [
            (key, batched.spaces[key], single.spaces[key]) for key in keys
        ]
    elif isinstance(single, gs.Tuple) and isinstance(batched, gs.Tuple):
        both = zip(batched.spaces, single.spaces)
        pairs = [(i, many, one) for i, (many, one) in enumerate(both)]
    else:
        return path if _lanes_differ(batched) else None
    for key, many, one in pairs:
        found = _differing(many, one, (*path, key))
        if found is not None:
            return found
    return None


def _lanes_differ(batched: Any) -> bool:
    """Return whether the lanes of a batch of leaves, or of spaces of variable size, differ."""
    if isinstance(batched, gs.Box):
        return _rows_differ(batched.low) or _rows_differ(batched.high)
    if isinstance(batched, gs.MultiDiscrete):
        return _rows_differ(batched.nvec) or _rows_differ(batched.start)
    if not isinstance(batched, gs.Tuple) or not batched.spaces:
        return False
    try:
        # Custom spaces need not define equality, but the spaces that stand for them have it.
        first, *others = map(spaces_from_gymnasium, batched.spaces)
    except SpaceError:
        return False
    return any(other != first for other in others)


def _rows_differ(array: Any) -> bool:
    return array.ndim > 0 and len(array) > 0 and not bool(np.equal(array, array[:1]).all())
