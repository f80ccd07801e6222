"""Spaces <-> their messages. Both directions are lossless; a received space keeps every rule."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rlmesh_proto.spaces.v1 import space_pb2

from rlmesh import spaces
from rlmesh._wire.dtypes import dtype_from_wire, dtype_to_wire, known_dtype
from rlmesh.dtypes import DTYPES, DType
from rlmesh.errors import CodecError, NewerSpecError, SpaceError
from rlmesh.spaces import Bounds
from rlmesh.spaces._base import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_KEY_BYTES,
    MAX_LEAVES,
    MAX_SPACES,
    check_extents,
)
from rlmesh.spaces._stacking import is_leafless
from rlmesh.tensor import Tensor

__all__ = ["space_from_wire", "space_to_wire"]


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
        message.unbounded = bounds.unbounded


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
    out.insertion_ordered = not space.sort_keys
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


def space_from_wire(message: space_pb2.Space, root: str = "space") -> spaces.Space[Any]:
    """Return the space of a message.

    Args:
        message: The space.
        root: Name of the space in messages ("observation_space").

    Raises:
        CodecError: If the message breaks a rule or limit of the contract; the message has the path.
        NewerSpecError: If it has a family or an element type of a newer spec.
    """
    return _Reader().space(message, root, 1)


class _Reader:
    """Reads one space; counts its parts, so that a limit holds for all of it."""

    def __init__(self) -> None:
        self._spaces = 0
        self._leaves = 0
        self._elements_within = 0

    def space(self, message: space_pb2.Space, path: str, depth: int) -> spaces.Space[Any]:
        """Return the space of a message that stands at `path`."""
        kind = message.WhichOneof("kind")
        if kind is None:
            words = "a space has no kind (or one of a newer spec)"
            raise NewerSpecError(words, path=path, rule="S-1")
        if depth > MAX_DEPTH:
            words = f"a space is nested deeper than {MAX_DEPTH} levels"
            raise CodecError(words, path=path, rule="S-2")
        content = getattr(message, kind)
        self._count(kind, content, path)
        if kind in _CONTAINERS:
            return _CONTAINERS[kind](self, content, path, depth + 1)
        read, rule = _LEAVES[kind]
        try:
            return read(content)
        except SpaceError as error:
            raise CodecError(error.message, path=path, rule=error.rule or rule) from None
        except CodecError as error:
            raise error.at(path) from None

    def _count(self, kind: str, content: Any, path: str) -> None:
        self._spaces += 1
        self._leaves += kind in _LEAVES
        self._elements_within += _elements_of(kind, content)
        for count, limit, noun in (
            (self._spaces, MAX_SPACES, "spaces"),
            (self._leaves, MAX_LEAVES, "leaves"),
            (self._elements_within, MAX_ELEMENTS, "elements that are checked one by one"),
        ):
            if count > limit:
                raise CodecError(f"a space has more than {limit} {noun}", path=path, rule="M-1")

    def children(
        self, messages: Iterable[space_pb2.Space], path: str, depth: int
    ) -> list[spaces.Space[Any]]:
        """Return the numbered children of a space."""
        return [self.space(child, f"{path}[{i}]", depth) for i, child in enumerate(messages)]


def _elements_of(kind: str, content: Any) -> int:
    """Return the number of elements that are checked one by one, before any of them is."""
    if kind == "multi_discrete":
        size = len(content.nvec)
    elif kind == "box":
        size = len(content.low.elementwise) + len(content.high.elementwise)
    else:
        return 0
    element = known_dtype(content.dtype)
    return 0 if element is None else size // element.itemsize


def _read_box(message: space_pb2.Box) -> spaces.Space[Any]:
    element = dtype_from_wire(message.dtype)
    shape = _read_shape(message.shape, element)
    low, high = (
        _read_bounds(b, side) for b, side in ((message.low, "low"), (message.high, "high"))
    )
    for bounds in (low, high):
        if element.kind == "b" and bounds.data.translate(None, b"\0\1"):
            raise SpaceError("a bound of a bool box is neither 0 nor 1")
    return spaces.Box(low, high, shape, element)


def _read_shape(extents: Sequence[int], element: DType) -> tuple[int, ...]:
    """Return a leaf's shape, within the limits, which are checked before anything is made of it."""
    check_extents(extents, element)
    return tuple(extents)


def _read_bounds(message: space_pb2.Bounds, side: str) -> Bounds:
    form = message.WhichOneof("form")
    if form is None:
        raise SpaceError(f"a box has no {side}", rule="S-5")
    return Bounds(getattr(message, form), form == "uniform", message.unbounded)


def _read_discrete(message: space_pb2.Discrete) -> spaces.Space[Any]:
    element = dtype_from_wire(message.dtype)
    if not element.is_integer:
        raise SpaceError(f"a discrete of {element}, which is no integer type")
    start = 0
    if message.start:
        start = int(_elements(message.start, element, 1, "start of a discrete")[0])
    return spaces.Discrete(message.n, start=start, dtype=element)


def _read_multi_binary(message: space_pb2.MultiBinary) -> spaces.Space[Any]:
    shape = _read_shape(message.shape, DTYPES["int8"])
    if message.flat:
        if len(shape) != 1:
            raise SpaceError(f"a flat multi_binary has {len(shape)} dimensions")
        return spaces.MultiBinary(shape[0])
    return spaces.MultiBinary(shape)


def _read_multi_discrete(message: space_pb2.MultiDiscrete) -> spaces.Space[Any]:
    element = dtype_from_wire(message.dtype)
    shape = _read_shape(message.shape, element)
    try:
        nvec = Tensor(message.nvec, element, shape)
        start = Tensor(message.start, element, shape) if message.start else None
    except ValueError as error:
        raise SpaceError(f"nvec or start of a multi_discrete: {error}") from None
    return spaces.MultiDiscrete(nvec, element, start=start)


def _read_text(message: space_pb2.Text) -> spaces.Space[Any]:
    return spaces.Text(message.max_length, min_length=message.min_length, charset=message.charset)


def _elements(data: bytes, element: DType, count: int, noun: str) -> tuple[float, ...]:
    if len(data) != count * element.itemsize:
        raise SpaceError(f"{noun} has {len(data)} bytes instead of {count * element.itemsize}")
    return element.unpack(data)


def _read_dict(
    reader: _Reader, message: space_pb2.Dict, path: str, depth: int
) -> spaces.Space[Any]:
    children: dict[str | int, spaces.Space[Any]] = {}
    for entry in message.entries:
        kind = entry.WhichOneof("key")
        if kind is None:
            raise CodecError("an entry of a dict has no key", path=path, rule="S-11")
        key: str | int = getattr(entry, kind)
        if isinstance(key, str) and len(key.encode()) > MAX_KEY_BYTES:
            words = f"a key of a dict has more than {MAX_KEY_BYTES} bytes"
            raise CodecError(words, path=path, rule="M-1")
        inner = path + spaces.path_text((key,))
        if key in children:
            raise CodecError("a dict has the key twice", path=inner, rule="S-11")
        if not entry.HasField("space"):
            raise CodecError("an entry of a dict has no space", path=inner, rule="S-11")
        children[key] = reader.space(entry.space, inner, depth)
    return spaces.Dict(children, sort_keys=not message.insertion_ordered)


def _read_tuple(
    reader: _Reader, message: space_pb2.Tuple, path: str, depth: int
) -> spaces.Space[Any]:
    return spaces.Tuple(reader.children(message.spaces, path, depth))


def _read_one_of(
    reader: _Reader, message: space_pb2.OneOf, path: str, depth: int
) -> spaces.Space[Any]:
    if not message.spaces:
        raise CodecError("a one_of has no alternative", path=path, rule="S-14")
    return spaces.OneOf(reader.children(message.spaces, path, depth))


def _read_sequence(
    reader: _Reader, message: space_pb2.Sequence, path: str, depth: int
) -> spaces.Space[Any]:
    if not message.HasField("space"):
        raise CodecError("a sequence has no space", path=path, rule="S-12")
    (child,) = reader.children([message.space], path, depth)
    return spaces.Sequence(child, stack=message.stacked)


def _read_graph(
    reader: _Reader, message: space_pb2.Graph, path: str, depth: int
) -> spaces.Space[Any]:
    if not message.HasField("node_space"):
        raise CodecError("a graph has no node space", path=path, rule="S-13")
    nodes = _read_features(reader, message.node_space, f"{path}.nodes", depth)
    edges = None
    if message.HasField("edge_space"):
        edges = _read_features(reader, message.edge_space, f"{path}.edges", depth)
    return spaces.Graph(nodes, edges)


def _read_features(
    reader: _Reader, message: space_pb2.Space, path: str, depth: int
) -> spaces.Space[Any]:
    space = reader.space(message, path, depth)
    if is_leafless(space):
        words = "features of a graph without a leaf, so that none has a slab"
        raise CodecError(words, path=path, rule="S-13")
    return space


_LEAVES: dict[str, tuple[Callable[[Any], spaces.Space[Any]], str]] = {
    "box": (_read_box, "S-6"),
    "discrete": (_read_discrete, "S-7"),
    "multi_binary": (_read_multi_binary, "S-8"),
    "multi_discrete": (_read_multi_discrete, "S-9"),
    "text": (_read_text, "S-10"),
}
"""Reader of each family of leaves, and the rule that a message breaks which is no such space."""

_CONTAINERS: dict[str, Callable[[_Reader, Any, str, int], spaces.Space[Any]]] = {
    "dict": _read_dict,
    "tuple": _read_tuple,
    "sequence": _read_sequence,
    "graph": _read_graph,
    "one_of": _read_one_of,
}
"""Reader of each other family; it takes a message, and the path and depth of its parts."""
