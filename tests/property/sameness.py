"""Equality to the bit of values of NumPy, Gymnasium and Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium.spaces as gs
import numpy as np

from rlmesh.numpy import asarray
from rlmesh.spaces import GraphInstance
from tests.conformance.native_values import values_equal

__all__ = ["as_numpy", "identical", "outcome", "same_space"]


def identical(a: Any, b: Any) -> bool:
    """Whether two values have the same types and the same bits, dict order included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (np.ndarray, np.generic)):
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        if a.dtype == object:
            return all(map(identical, a.flat, b.flat))
        return bool(a.tobytes() == b.tobytes())
    if isinstance(a, dict):
        return identical(list(a), list(b)) and all(identical(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(identical, a, b))
    return values_equal(a, b)


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returns, or the type and words of what it raises."""
    try:
        return call()
    except Exception as error:
        return type(error), str(error)


def same_space(a: gs.Space[Any], b: gs.Space[Any]) -> bool:
    """Equality that is stricter than Gymnasium's: bits of bounds, order of keys and characters."""
    if type(a) is not type(b) or a != b:
        return False
    facts = _FACTS.get(type(a))
    return facts is None or all(map(_same_fact, facts(a), facts(b)))


def _same_fact(a: Any, b: Any) -> bool:
    if isinstance(a, gs.Space):
        return same_space(a, b)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(_same_fact, a, b))
    return identical(a, b)


_FACTS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    gs.Box: lambda s: (
        s.shape,
        s.low,
        s.high,
        *map(np.asarray, (s.bounded_below, s.bounded_above)),
    ),
    gs.Discrete: lambda s: (s.n, s.start),
    gs.MultiBinary: lambda s: (s.n, s.shape),
    gs.MultiDiscrete: lambda s: (s.nvec, s.start),
    gs.Text: lambda s: (s.min_length, s.max_length, s.character_list),
    gs.Dict: lambda s: (
        tuple(s.spaces),
        tuple(s.spaces.values()),
        getattr(s, "sort_keys", True),
    ),
    gs.Tuple: lambda s: (s.spaces,),
    gs.OneOf: lambda s: (s.spaces,),
    gs.Sequence: lambda s: (s.feature_space, s.stack),
    gs.Graph: lambda s: (s.node_space, s.edge_space),
}


def as_numpy(value: Any) -> Any:
    """A value of any library with NumPy's arrays and Gymnasium's graphs."""
    if isinstance(value, (GraphInstance, gs.GraphInstance)):
        return gs.GraphInstance(*map(as_numpy, value))
    if isinstance(value, dict):
        return {key: as_numpy(part) for key, part in value.items()}
    if type(value) in (tuple, list):
        return type(value)(map(as_numpy, value))
    if isinstance(value, np.ndarray) and value.dtype == object:
        objects = np.empty(value.shape, object)
        for i, part in enumerate(value.flat):
            objects.flat[i] = as_numpy(part)
        return objects
    library = type(value).__module__.partition(".")[0]
    return asarray(value).copy() if library in ("rlmesh", "torch", "jax", "jaxlib") else value
