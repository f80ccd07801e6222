"""Spaces of gym and Gymnasium, known by the names of their classes, and spaces that are guessed."""

import collections.abc
import sys
from typing import Any, Callable, Dict, List

import numpy as np

from rlmesh_thin.containers import (
    Graph,
    GraphInstance,
    OneOf,
    PartsSpace,
    SequenceSpace,
    check_space,
)
from rlmesh_thin.dtypes import INTEGERS, NUMPY, little_endian, number_of
from rlmesh_thin.faults import UNSUPPORTED, Fault, step_text
from rlmesh_thin.spaces import Space, Text, box, discrete, multi_binary, multi_discrete

__all__ = ["box_space", "convert_space", "guess_space"]


def convert_space(space: Any, path: str) -> Space:
    """Return the space of the contract that equals one of gym or Gymnasium.

    Args:
        space: The space.
        path: Root of the paths of its values.

    Raises:
        Fault: If the contract has no such space; it has the path.
    """
    return check_space(_convert(space, path))


def _convert(space: Any, path: str) -> Space:
    for cls in type(space).__mro__:
        if cls.__name__ in _FAMILIES:
            return _FAMILIES[cls.__name__](space, path)
    text = "expected a Box, Discrete, Dict, ... of gym or gymnasium, got a %s.%s"
    raise Fault(UNSUPPORTED, text % (type(space).__module__, type(space).__name__), path)


def _number(dtype: Any, path: str) -> int:
    number = number_of(np.dtype(dtype))
    if not number:
        raise Fault(UNSUPPORTED, "the contract has no element type %s" % dtype, path)
    return number


def box_space(path: str, low: Any, high: Any, marks: Any = (b"", b"")) -> Space:
    """Return a Box with arrays of bounds of one shape and dtype."""
    number = _number(low.dtype, path)
    return box(
        path, number, low.shape, little_endian(low, number), little_endian(high, number), marks
    )


def _box(space: Any, path: str) -> Space:
    number = _number(space.dtype, path)
    shape, dtype = space.shape, NUMPY[number]
    ends, marks = [np.broadcast_to(np.asarray(end), shape) for end in (space.low, space.high)], []
    if number not in INTEGERS:
        ends = [end if dtype.names else end.astype(dtype) for end in ends]
        return box_space(path, ends[0], ends[1])
    info = np.iinfo(dtype)
    for at, (name, limit) in enumerate((("bounded_below", info.min), ("bounded_above", info.max))):
        end = ends[at]
        if end.dtype.kind == "f":
            # Old gym has bounds of floats, and no integer is their infinity.
            over = end >= limit if at else end <= limit
            ends[at] = np.array(
                [limit if o else int(x) for o, x in zip(over.flat, end.flat)], dtype
            )
        ends[at] = ends[at].astype(dtype).reshape(shape)
        side = np.broadcast_to(getattr(space, name, True), shape)
        marks.append((~side & (ends[at] == limit)).tobytes())
    return box_space(path, ends[0], ends[1], marks)


def _discrete(space: Any, path: str) -> Space:
    number = _number(getattr(space, "dtype", None) or np.int64, path)
    return discrete(path, number, int(space.n), int(getattr(space, "start", 0)))


def _multi_binary(space: Any, path: str) -> Space:
    flat = isinstance(space.n, (int, np.integer))
    return multi_binary(path, (int(space.n),) if flat else tuple(int(n) for n in space.n), flat)


def _multi_discrete(space: Any, path: str) -> Space:
    number, nvec = _number(space.dtype, path), np.asarray(space.nvec)
    start = np.broadcast_to(np.asarray(getattr(space, "start", 0)), nvec.shape)
    return multi_discrete(path, number, nvec.astype(NUMPY[number]), start.astype(NUMPY[number]))


def _text_space(space: Any, path: str) -> Space:
    characters = getattr(space, "character_list", None) or space.charset
    return Text(path, int(space.min_length), int(space.max_length), "".join(characters))


def _dict(space: Any, path: str) -> Space:
    children = [_convert(child, path + step_text(key)) for key, child in space.spaces.items()]
    return PartsSpace(path, children, list(space.spaces), not getattr(space, "sort_keys", True))


def _all(space: Any, path: str) -> List[Space]:
    return [_convert(child, path + step_text(at)) for at, child in enumerate(space.spaces)]


def _sequence(space: Any, path: str) -> Space:
    return SequenceSpace(
        path, _convert(space.feature_space, path), bool(getattr(space, "stack", False))
    )


def _graph(space: Any, path: str) -> Space:
    nodes = _convert(space.node_space, path + ".nodes")
    edges = None if space.edge_space is None else _convert(space.edge_space, path + ".edges")
    module = sys.modules.get(type(space).__module__)
    return Graph(path, nodes, edges, getattr(module, "GraphInstance", GraphInstance))


_FAMILIES: Dict[str, Callable[[Any, str], Space]] = {
    "Box": _box,
    "Discrete": _discrete,
    "MultiBinary": _multi_binary,
    "MultiDiscrete": _multi_discrete,
    "Text": _text_space,
    "Dict": _dict,
    "Tuple": lambda space, path: PartsSpace(path, _all(space, path)),
    "Sequence": _sequence,
    "Graph": _graph,
    "OneOf": lambda space, path: OneOf(path, _all(space, path)),
}


def guess_space(value: Any, path: str, report: Callable[[str], None]) -> Space:
    """Return a space that has a value: of its shape and dtype, unbounded; images of 0 to 255.

    Args:
        value: An observation.
        path: Path of it.
        report: Called with a line for each leaf.

    Raises:
        Fault: If it is neither an array, a number, nor a dict or tuple of such.
    """
    if isinstance(value, collections.abc.Mapping):
        children = [guess_space(part, path + step_text(key), report) for key, part in value.items()]
        return PartsSpace(path, children, list(value), True)
    if isinstance(value, tuple):
        parts = enumerate(value)
        return PartsSpace(
            path, [guess_space(part, path + step_text(at), report) for at, part in parts]
        )
    array = np.asarray(value)
    number = number_of(array.dtype)
    if not number or not isinstance(value, (np.ndarray, np.generic, bool, int, float, list)):
        text = "no space is known for a %s; name one with --spaces" % type(value).__name__
        raise Fault(UNSUPPORTED, text, path)
    limits = {"f": (-np.inf, np.inf), "b": (False, True), "V": (0xFF80, 0x7F80)}.get(
        array.dtype.kind
    )
    if limits is None:
        info = np.iinfo(array.dtype)
        limits = (info.min, info.max)
    dtype = NUMPY[number]
    low, high = (np.full(array.shape, limit, dtype) for limit in limits)
    report("%s: %s of shape %s" % (path, array.dtype, array.shape))
    return box_space(path, low, high)
