"""The vectors' spaces and values as those of the thin host, and back."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
from rlmesh_proto.spaces.v1 import space_pb2

from rlmesh_thin import containers, spaces
from rlmesh_thin.dtypes import NUMPY, check_dtype
from rlmesh_thin.faults import MALFORMED, UNSUPPORTED, Fault, check_extents, step_text

NAMES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 bfloat16 float32 float64"
).split()


def dtype_of(name: str) -> Any:
    """The NumPy dtype that the thin host has for an element type."""
    return NUMPY[NAMES.index(name) + 1]


def space_of(space: space_pb2.Space, path: str) -> spaces.Space:
    """The thin space of a message; raises Fault as the constructors of spaces do."""
    kind = space.WhichOneof("kind")
    if kind is None:
        raise Fault(UNSUPPORTED, "S-1: a space without a kind that is known", path)
    return globals()[f"_{kind}"](getattr(space, kind), path)


def _present(message: Any, name: str, path: str) -> Any:
    if not message.HasField(name):
        raise Fault(MALFORMED, f"no {name}", path)
    return getattr(message, name)


def _numbers(data: bytes, dtype: Any, shape: list[int], path: str) -> Any:
    """The array of a slab; raises Fault if it has another size (S-5, S-7, S-9)."""
    size = math.prod(shape) * dtype.itemsize
    if len(data) != size or (dtype.kind == "b" and data.translate(None, b"\0\1")):
        raise Fault(MALFORMED, f"expected {size} bytes, got {len(data)}", path)
    return np.frombuffer(data, dtype).reshape(shape) if data else np.empty(shape, dtype)


def _box(box: space_pb2.Box, path: str) -> spaces.Space:
    dtype, shape = check_dtype(box.dtype, path), list(box.shape)
    check_extents(shape, dtype.itemsize, spaces.MAX_DIMENSIONS, path)
    ends = [_present(box, name, path) for name in ("low", "high")]
    arrays, marks = [], []
    for end in ends:
        form = end.WhichOneof("form")
        if form is None:
            raise Fault(MALFORMED, "bounds without a form", path)
        extents = [1] if form == "uniform" else shape
        arrays.append(_numbers(getattr(end, form), dtype, extents, path))
        marks.append(end.unbounded)
        if marks[-1] not in (b"", b"\1") and (
            len(marks[-1]) != math.prod(shape) or marks[-1].translate(None, b"\0\1")
        ):
            raise Fault(MALFORMED, "S-16: marks of another size, or of other bytes", path)
    return spaces.box(path, box.dtype, tuple(shape), *arrays, marks)


def _discrete(made: space_pb2.Discrete, path: str) -> spaces.Space:
    start = 0
    if made.start:
        dtype = check_dtype(made.dtype, path, integers=True)
        start = int(_numbers(made.start, dtype, [], path))
    return spaces.discrete(path, made.dtype, made.n, start)


def _multi_binary(made: space_pb2.MultiBinary, path: str) -> spaces.Space:
    return spaces.multi_binary(path, tuple(made.shape), made.flat)


def _multi_discrete(made: space_pb2.MultiDiscrete, path: str) -> spaces.Space:
    dtype, shape = check_dtype(made.dtype, path, integers=True), list(made.shape)
    check_extents(shape, dtype.itemsize, spaces.MAX_DIMENSIONS, path)
    nvec = _numbers(made.nvec, dtype, shape, path)
    start = _numbers(made.start, dtype, shape, path) if made.start else np.zeros_like(nvec)
    return spaces.multi_discrete(path, made.dtype, nvec, start)


def _text(made: space_pb2.Text, path: str) -> spaces.Space:
    return spaces.Text(path, made.min_length, made.max_length, made.charset)


def _dict(made: space_pb2.Dict, path: str) -> spaces.Space:
    keys: list[Any] = []
    children = []
    for entry in made.entries:
        which = entry.WhichOneof("key")
        if which is None:
            raise Fault(MALFORMED, "an entry without a key", path)
        keys.append(getattr(entry, which))
        inner = path + step_text(keys[-1])
        children.append(space_of(_present(entry, "space", inner), inner))
    return containers.PartsSpace(path, children, keys, made.insertion_ordered)


def _all(made: Any, path: str) -> list[spaces.Space]:
    return [space_of(child, path + step_text(i)) for i, child in enumerate(made.spaces)]


def _tuple(made: space_pb2.Tuple, path: str) -> spaces.Space:
    return containers.PartsSpace(path, _all(made, path))


def _sequence(made: space_pb2.Sequence, path: str) -> spaces.Space:
    child = space_of(_present(made, "space", path), path)
    return containers.SequenceSpace(path, child, made.stacked)


def _graph(made: space_pb2.Graph, path: str) -> spaces.Space:
    nodes = space_of(_present(made, "node_space", path), path + ".nodes")
    edges = space_of(made.edge_space, path + ".edges") if made.HasField("edge_space") else None
    return containers.Graph(path, nodes, edges)


def _one_of(made: space_pb2.OneOf, path: str) -> spaces.Space:
    return containers.OneOf(path, _all(made, path))


def value_of(space: spaces.Space, tagged: dict[str, Any]) -> Any:
    """The value, as an environment has it, that a vector describes."""
    ((kind, content),) = tagged.items()
    if kind == "array":
        return array_of(content)
    if kind == "int":
        return int(content)
    if kind == "text":
        return content
    if kind == "dict":
        pairs = zip(content, space.children, strict=True)
        return {_key(key): value_of(child, part) for (key, part), child in pairs}
    if kind == "tuple":
        return tuple(map(value_of, space.children, content))
    if kind == "one_of":
        return content["index"], value_of(space.children[content["index"]], content["value"])
    if kind == "sequence":
        (child,) = space.children
        values = [value_of(child, part) for part in content]
        assert isinstance(space, containers.SequenceSpace)
        return containers.stack(child, values) if space.stacked else tuple(values)
    return _graph_value(space, content)


def _graph_value(space: spaces.Space, content: dict[str, Any]) -> Any:
    features: list[Any] = []
    for child, name in zip(space.children, ("nodes", "edges"), strict=False):
        parts = content[name]
        stacked = None if parts is None else [value_of(child, part) for part in parts]
        features.append(stacked if stacked is None else containers.stack(child, stacked))
    links = content["edge_links"]
    if links is not None:
        links = np.array(links, np.int32).reshape(-1, 2)
    return containers.GraphInstance(*(features + [None])[:2], links)


def _key(tagged: dict[str, str]) -> str | int:
    return tagged["name"] if "name" in tagged else int(tagged["index"])


def array_of(content: dict[str, Any]) -> Any:
    """The array of a vector's dtype, shape and data."""
    dtype, data = dtype_of(content["dtype"]), base64.b64decode(content["data"])
    shape = [int(n) for n in content["shape"]]
    return np.frombuffer(data, dtype).reshape(shape) if data else np.empty(shape, dtype)
