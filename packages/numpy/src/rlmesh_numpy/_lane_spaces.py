"""Comparison of a vector's batched space with the space of one lane."""

from __future__ import annotations

from typing import Any

import gymnasium.spaces as gs
import numpy as np
from gymnasium.vector.utils import batch_space

from rlmesh.spaces import path_text

__all__ = ["differing_part"]


def differing_part(batched: Any, single: Any, num_envs: int) -> str | None:
    """Return the path of the first part of a space in which the lanes differ, as in bounds.

    None: every lane has the space `single`, or `batched` is no batch of such spaces at all, as of
    a vector that describes its batches in another way.

    Args:
        batched: The space of the vector's observations.
        single: The space of one lane.
        num_envs: Number of lanes.
    """
    path = _differing(batched, single, num_envs, ())
    return None if path is None else path_text(path)


def _differing(
    batched: Any, single: Any, count: int, path: tuple[str | int, ...]
) -> tuple[str | int, ...] | None:
    if isinstance(single, gs.Dict) and isinstance(batched, gs.Dict):
        keys: list[Any] = [key for key in single.spaces if key in batched.spaces]
        pairs: list[tuple[Any, Any, Any]] = [
            (key, batched.spaces[key], single.spaces[key]) for key in keys
        ]
    elif isinstance(single, gs.Tuple) and isinstance(batched, gs.Tuple):
        both = zip(batched.spaces, single.spaces)
        pairs = [(i, many, one) for i, (many, one) in enumerate(both)]
    elif isinstance(single, gs.Box) and isinstance(batched, gs.Box):
        return path if _boxes_differ(batched, single, count) else None
    elif isinstance(batched, gs.Tuple):
        return path if any(part != single for part in batched.spaces) else None
    else:
        is_leaf = isinstance(single, (gs.Discrete, gs.MultiDiscrete))
        return path if is_leaf and _leaves_differ(batched, single, count) else None
    for key, many, one in pairs:
        found = _differing(many, one, count, (*path, key))
        if found is not None:
            return found
    return None


def _boxes_differ(batched: gs.Box, single: gs.Box, count: int) -> bool:
    if batched.shape != (count, *single.shape):
        return False
    # Compared without a batch of the single bounds: those of images would take gigabytes.
    sides = ((batched.low, single.low), (batched.high, single.high))
    return not all(bool(np.equal(many, one).all()) for many, one in sides)


def _leaves_differ(batched: Any, single: gs.Space[Any], count: int) -> bool:
    expected = batch_space(single, count)
    same_form = type(batched) is type(expected) and batched.shape == expected.shape
    return same_form and batched != expected
