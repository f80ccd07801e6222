"""Spaces <-> their messages. Both directions are lossless; a received space keeps every rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from rlmesh_proto.spaces.v1 import space_pb2

from rlmesh import spaces
from rlmesh._wire.dtypes import dtype_from_wire, dtype_to_wire
from rlmesh.dtypes import DTYPES, DType
from rlmesh.errors import CodecError, SpaceError
from rlmesh.spaces import Bounds
from rlmesh.tensor import Tensor

__all__ = ["MAX_SPACE_DEPTH", "space_from_wire", "space_to_wire"]

MAX_SPACE_DEPTH = 24
"""Deepest nesting of a space; a space without children is one level."""

MAX_LEAF_DIMENSIONS = 31
"""Most dimensions of a leaf; a batch has one more, and NumPy 1 takes 32."""

MAX_LEAF_BYTES = 2**28
"""Most bytes of one value of a leaf: those of a message."""


def space_to_wire(space: spaces.Space[Any], out: space_pb2.Space) -> None:
    """Write `space` into `out`."""
    message = getattr(out, space.kind)
    message.SetInParent()
    _WRITERS[space.kind](space, message)


def _write_box(space: spaces.Box, out: space_pb2.Box) -> None:
    out.dtype = dtype_to_wire(space.dtype)
    out.shape.extend(space.shape)
    for bounds, message in ((space.low_bounds, out.low), (space.high_bounds, out.high)):
        if bounds.uniform:
            message.uniform = bounds.data
        else:
            message.elementwise = bounds.data


def _write_discrete(space: spaces.Discrete, out: space_pb2.Discrete) -> None:
    out.dtype = dtype_to_wire(space.dtype)
    out.n = space.n
    if space.start:
        out.start = space.dtype.pack([space.start])


def _write_multi_binary(space: spaces.MultiBinary, out: space_pb2.MultiBinary) -> None:
    out.shape.extend(space.shape)
    out.flat = space.flat


def _write_multi_discrete(space: spaces.MultiDiscrete, out: space_pb2.MultiDiscrete) -> None:
    out.dtype = dtype_to_wire(space.dtype)
    out.shape.extend(space.shape)
    out.nvec = space.nvec.tobytes()
    start = space.start.tobytes()
    if start.strip(b"\0"):
        out.start = start


def _write_text(space: spaces.Text, out: space_pb2.Text) -> None:
    out.min_length = space.min_length
    out.max_length = space.max_length
    out.charset = space.charset


def _write_dict(space: spaces.Dict, out: space_pb2.Dict) -> None:
    for key, child in space.children:
        entry = out.entries.add()
        if isinstance(key, str):
            entry.name = key
        else:
            entry.index = key
        space_to_wire(child, entry.space)


def _write_children(space: spaces.Tuple | spaces.OneOf, out: Any) -> None:
    for _, child in space.children:
        space_to_wire(child, out.spaces.add())


def _write_sequence(space: spaces.Sequence, out: space_pb2.Sequence) -> None:
    space_to_wire(space.feature_space, out.space)
    out.stacked = space.stack


def _write_graph(space: spaces.Graph, out: space_pb2.Graph) -> None:
    space_to_wire(space.node_space, out.node_space)
    if space.edge_space is not None:
        space_to_wire(space.edge_space, out.edge_space)


_WRITERS: dict[str, Callable[[Any, Any], None]] = {
    "box": _write_box,
    "discrete": _write_discrete,
    "multi_binary": _write_multi_binary,
    "multi_discrete": _write_multi_discrete,
    "text": _write_text,
    "dict": _write_dict,
    "tuple": _write_children,
    "sequence": _write_sequence,
    "graph": _write_graph,
    "one_of": _write_children,
}


def space_from_wire(message: space_pb2.Space, depth: int = 1) -> spaces.Space[Any]:
    """The space of a message.

    Raises:
        CodecError: If the message breaks a rule of the contract.
    """
    kind = message.WhichOneof("kind")
    if kind is None:
        raise CodecError("a space has no kind (or one of a newer spec)")
    if depth > MAX_SPACE_DEPTH:
        raise CodecError(f"a space is nested deeper than {MAX_SPACE_DEPTH} levels")
    try:
        return _READERS[kind](getattr(message, kind), depth)
    except SpaceError as error:
        raise CodecError(str(error)) from None


def _read_box(message: space_pb2.Box, depth: int) -> spaces.Space[Any]:
    element = dtype_from_wire(message.dtype)
    shape = _read_shape(message.shape, element)
    low, high = (
        _read_bounds(b, side) for b, side in ((message.low, "low"), (message.high, "high"))
    )
    for bounds in (low, high):
        if element.kind == "b" and bounds.data.strip(b"\0\1"):
            raise CodecError("a bound of a bool box is neither 0 nor 1")
    return spaces.Box(low, high, shape, element)


def _read_shape(extents: Sequence[int], element: DType) -> tuple[int, ...]:
    """A leaf's shape, within the limits; an extent of 0 does not excuse the others."""
    if len(extents) > MAX_LEAF_DIMENSIONS:
        raise CodecError(f"a leaf has {len(extents)} dimensions, more than {MAX_LEAF_DIMENSIONS}")
    size = math.prod(max(n, 1) for n in extents) * element.itemsize
    if size > MAX_LEAF_BYTES:
        raise CodecError(f"a leaf of shape {tuple(extents)} has more than {MAX_LEAF_BYTES} bytes")
    return tuple(extents)


def _read_bounds(message: space_pb2.Bounds, side: str) -> Bounds:
    form = message.WhichOneof("form")
    if form is None:
        raise CodecError(f"a box has no {side}")
    return Bounds(getattr(message, form), uniform=form == "uniform")


def _read_discrete(message: space_pb2.Discrete, depth: int) -> spaces.Space[Any]:
    element = dtype_from_wire(message.dtype)
    start = 0
    if message.start:
        start = int(_elements(message.start, element, 1, "start of a discrete")[0])
    return spaces.Discrete(message.n, start=start, dtype=element)


def _read_multi_binary(message: space_pb2.MultiBinary, depth: int) -> spaces.Space[Any]:
    shape = _read_shape(message.shape, DTYPES["int8"])
    if message.flat:
        if len(shape) != 1:
            raise CodecError(f"a flat multi_binary has {len(shape)} dimensions")
        return spaces.MultiBinary(shape[0])
    return spaces.MultiBinary(shape)


def _read_multi_discrete(message: space_pb2.MultiDiscrete, depth: int) -> spaces.Space[Any]:
    element = dtype_from_wire(message.dtype)
    shape = _read_shape(message.shape, element)
    try:
        nvec = Tensor(message.nvec, element, shape)
        start = Tensor(message.start, element, shape) if message.start else None
    except ValueError as error:
        raise CodecError(f"nvec or start of a multi_discrete: {error}") from None
    return spaces.MultiDiscrete(nvec, element, start=start)


def _read_text(message: space_pb2.Text, depth: int) -> spaces.Space[Any]:
    return spaces.Text(message.max_length, min_length=message.min_length, charset=message.charset)


def _read_dict(message: space_pb2.Dict, depth: int) -> spaces.Space[Any]:
    children: dict[str | int, spaces.Space[Any]] = {}
    for entry in message.entries:
        kind = entry.WhichOneof("key")
        if kind is None:
            raise CodecError("an entry of a dict has no key")
        key: str | int = getattr(entry, kind)
        if key in children:
            raise CodecError(f"a dict has the key {key!r} twice")
        children[key] = space_from_wire(entry.space, depth + 1)
    return spaces.Dict(children)


def _read_tuple(message: space_pb2.Tuple, depth: int) -> spaces.Space[Any]:
    return spaces.Tuple([space_from_wire(child, depth + 1) for child in message.spaces])


def _read_sequence(message: space_pb2.Sequence, depth: int) -> spaces.Space[Any]:
    return spaces.Sequence(space_from_wire(message.space, depth + 1), stack=message.stacked)


def _read_graph(message: space_pb2.Graph, depth: int) -> spaces.Space[Any]:
    nodes = space_from_wire(message.node_space, depth + 1)
    edges = None
    if message.HasField("edge_space"):
        edges = space_from_wire(message.edge_space, depth + 1)
    for part in (nodes, edges):
        if part is not None and not isinstance(part, (spaces.Box, spaces.Discrete)):
            raise CodecError(f"a graph has features of kind {part.kind}, not box or discrete")
    return spaces.Graph(nodes, edges)  # type: ignore[arg-type]


def _read_one_of(message: space_pb2.OneOf, depth: int) -> spaces.Space[Any]:
    return spaces.OneOf([space_from_wire(child, depth + 1) for child in message.spaces])


def _elements(data: bytes, element: DType, count: int, noun: str) -> tuple[float, ...]:
    if len(data) != count * element.itemsize:
        raise CodecError(f"{noun} has {len(data)} bytes instead of {count * element.itemsize}")
    return element.unpack(data)


_READERS: dict[str, Callable[[Any, int], spaces.Space[Any]]] = {
    "box": _read_box,
    "discrete": _read_discrete,
    "multi_binary": _read_multi_binary,
    "multi_discrete": _read_multi_discrete,
    "text": _read_text,
    "dict": _read_dict,
    "tuple": _read_tuple,
    "sequence": _read_sequence,
    "graph": _read_graph,
    "one_of": _read_one_of,
}
