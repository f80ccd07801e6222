"""The same value in other forms: arrays laid out otherwise, lists, numbers, and dicts reordered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import gymnasium.spaces as gs
import numpy as np
from hypothesis import strategies as st

from rlmesh import Tensor
from rlmesh.spaces import GraphInstance

__all__ = ["LAYOUTS", "relaid"]

Draw = st.SearchStrategy[Any]


def _spread(array: Any) -> Any:
    wide = np.zeros((*array.shape, 2), array.dtype)
    wide[..., 1] = array
    return wide[..., 1]


def _reversed(array: Any) -> Any:
    backwards = array[tuple(slice(None, None, -1) for _ in array.shape)].copy()
    return backwards[tuple(slice(None, None, -1) for _ in array.shape)]


def _zero_stride(array: Any) -> Any:
    """One element over and over if all have the same bits; else unchanged."""
    data, step = array.tobytes(), array.dtype.itemsize
    if not data or data != data[:step] * array.size:
        return array
    return np.broadcast_to(array.reshape(-1)[0:1].reshape(()), array.shape)


def _read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


def _unaligned(array: Any) -> Any:
    data = bytearray(1) + bytearray(array.tobytes())
    return np.ndarray(array.shape, array.dtype, buffer=data, offset=1)


def _listed(array: Any) -> Any:
    # Of a NaN a Python float keeps the sign at most.
    numbers = array.astype(np.float32) if array.dtype.kind not in "biuf" else array
    if array.dtype.kind not in "biu" and np.isnan(numbers).any():
        return array
    return numbers.tolist()


def _tupled(array: Any) -> Any:
    def tuples(value: Any) -> Any:
        return tuple(map(tuples, value)) if isinstance(value, list) else value

    return tuples(_listed(array))


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda array: array,
    "fortran": lambda array: np.array(array, order="F"),
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "spread": _spread,
    "reversed": _reversed,
    "zero stride": _zero_stride,
    "read-only": _read_only,
    "unaligned": _unaligned,
    "list": _listed,
    "tuple": _tupled,
    "list of arrays": lambda array: list(array) if array.ndim else array[()],
    "memoryview": lambda array: memoryview(array) if array.dtype.kind in "biuf" else array,
    "tensor": lambda array: Tensor(array.tobytes(), array.dtype.name, array.shape),
}


def relaid(value: Any) -> Draw:
    """The value in any form that a caller may give it; its arrays are NumPy's."""
    if isinstance(value, np.ndarray):
        names = [name for name in LAYOUTS if _has(value, name)]
        return st.sampled_from(names).map(lambda name: LAYOUTS[name](value.copy()))
    if isinstance(value, (GraphInstance, gs.GraphInstance)):
        parts = st.tuples(*[st.none() if x is None else relaid(x) for x in value])
        return parts.map(lambda x: GraphInstance(*x))
    if isinstance(value, dict):
        pairs = st.tuples(
            *[relaid(part).map(lambda x, k=key: (k, x)) for key, part in value.items()]
        )
        mappings = st.sampled_from([dict, OrderedDict, lambda x: MappingProxyType(dict(x))])
        return st.builds(lambda make, x: make(x), mappings, pairs.flatmap(st.permutations))
    if isinstance(value, tuple):
        parts = st.tuples(*map(relaid, value))
        return st.builds(lambda make, x: make(x), st.sampled_from([tuple, list]), parts)
    if isinstance(value, str):
        return st.just(value)
    return _integers(value)


def _integers(value: int) -> Draw:
    """An integer in each type that holds it."""
    forms: list[Any] = [value]
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        info = np.iinfo(name)
        if info.min <= value <= info.max:
            forms += [np.dtype(name).type(value), np.array(value, name)]
    return st.sampled_from(forms)


def _has(array: Any, name: str) -> bool:
    """Whether the form is equivalent: an empty list does not show a shape."""
    return array.size > 0 or ("list" not in name and name != "tuple")
