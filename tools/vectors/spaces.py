"""Builders of Space messages, and their description for readers and for other languages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from rlmesh_proto.spaces.v1 import dtype_pb2, space_pb2

from .elements import ELEMENTS, NAMES, Number, count, pack, show

__all__ = [
    "Key",
    "box",
    "describe",
    "dict_",
    "discrete",
    "enum",
    "graph",
    "multi_binary",
    "multi_discrete",
    "one_of",
    "open_box",
    "sequence",
    "text",
    "tuple_",
]

Space = space_pb2.Space
Key = Union[str, int]
Bound = Union[Number, Sequence[Number]]
Marks = Union[bool, Sequence[bool]]


def enum(name: str) -> dtype_pb2.DType.ValueType:
    """Return the enum value of a type's name."""
    return dtype_pb2.DType.Value(f"D_TYPE_{name.upper()}")


def open_box(
    dtype: str, shape: Sequence[int], low: Bound, high: Bound, below: Marks, above: Marks
) -> Space:
    """Return a Box of integers with elements marked as unbounded: True for all, or each."""
    made = box(dtype, shape, low, high)
    for bounds, marks in ((made.box.low, below), (made.box.high, above)):
        each = [marks] * count(shape) if isinstance(marks, bool) else list(marks)
        if len(each) != count(shape):
            raise ValueError(f"{len(each)} marks for {count(shape)} elements")
        bounds.unbounded = (b"\x01" if all(each) else bytes(each)) if any(each) else b""
    return made


def _bounds(dtype: str, shape: Sequence[int], bound: Bound) -> space_pb2.Bounds:
    """Return bounds as a writer sends them: uniform if all elements have the same bits."""
    elements = count(shape)
    if isinstance(bound, (list, tuple)):
        data = pack(dtype, bound)
        if len(bound) != elements:
            raise ValueError(f"{len(bound)} bounds for {elements} elements")
    else:
        one = pack(dtype, [bound])  # type: ignore[list-item]
        if elements:
            return space_pb2.Bounds(uniform=one)
        data = b""
    size = ELEMENTS[dtype].size
    if elements and data == data[:size] * elements:
        return space_pb2.Bounds(uniform=data[:size])
    return space_pb2.Bounds(elementwise=data)


def box(dtype: str, shape: Sequence[int], low: Bound, high: Bound) -> Space:
    """Return a Box; a bound is one number or all of them in C order."""
    return Space(
        box=space_pb2.Box(
            dtype=enum(dtype),
            shape=shape,
            low=_bounds(dtype, shape, low),
            high=_bounds(dtype, shape, high),
        )
    )


def discrete(n: int, start: int = 0, dtype: str = "int64") -> Space:
    """Return a Discrete; a start of 0 is left empty."""
    data = pack(dtype, [start]) if start else b""
    return Space(discrete=space_pb2.Discrete(dtype=enum(dtype), n=n, start=data))


def multi_binary(shape: Sequence[int], flat: bool = False) -> Space:
    """Return a MultiBinary."""
    return Space(multi_binary=space_pb2.MultiBinary(shape=shape, flat=flat))


def multi_discrete(
    shape: Sequence[int], nvec: Sequence[int], start: Sequence[int] = (), dtype: str = "int64"
) -> Space:
    """Return a MultiDiscrete; numbers are in C order, starts of all 0 are left empty."""
    data = pack(dtype, start) if any(start) else b""
    return Space(
        multi_discrete=space_pb2.MultiDiscrete(
            dtype=enum(dtype), shape=shape, nvec=pack(dtype, nvec), start=data
        )
    )


def text(charset: str, min_length: int, max_length: int) -> Space:
    """Return a Text."""
    return Space(text=space_pb2.Text(min_length=min_length, max_length=max_length, charset=charset))


def dict_(*entries: tuple[Key, Space], insertion_ordered: bool = False) -> Space:
    """Return a Dict of (key, space) pairs."""
    made = space_pb2.Dict(insertion_ordered=insertion_ordered)
    for key, space in entries:
        entry = made.entries.add(space=space)
        if isinstance(key, str):
            entry.name = key
        else:
            entry.index = key
    return Space(dict=made)


def tuple_(*spaces: Space) -> Space:
    """Return a Tuple."""
    return Space(tuple=space_pb2.Tuple(spaces=spaces))


def sequence(space: Space, stacked: bool = False) -> Space:
    """Return a Sequence."""
    return Space(sequence=space_pb2.Sequence(space=space, stacked=stacked))


def graph(node: Space, edge: Space | None = None) -> Space:
    """Return a Graph; without an edge space its values have no edges."""
    return Space(graph=space_pb2.Graph(node_space=node, edge_space=edge))


def one_of(*spaces: Space) -> Space:
    """Return a OneOf."""
    return Space(one_of=space_pb2.OneOf(spaces=spaces))


def describe(space: Space) -> dict[str, Any]:
    """Return a valid space as JSON: {family: its fields}; large numbers are strings."""
    kind = space.WhichOneof("kind")
    if kind == "box":
        return {"box": _describe_box(space.box)}
    if kind == "dict":
        pairs = [[describe_key(e), describe(e.space)] for e in space.dict.entries]
        return {"dict": {"entries": pairs, "insertion_ordered": space.dict.insertion_ordered}}
    if kind == "tuple":
        return {"tuple": [describe(s) for s in space.tuple.spaces]}
    if kind == "one_of":
        return {"one_of": [describe(s) for s in space.one_of.spaces]}
    if kind == "sequence":
        inner = describe(space.sequence.space)
        return {"sequence": {"space": inner, "stacked": space.sequence.stacked}}
    if kind == "graph":
        edge = describe(space.graph.edge_space) if space.graph.HasField("edge_space") else None
        return {"graph": {"node_space": describe(space.graph.node_space), "edge_space": edge}}
    return _describe_leaf(space)


def describe_key(entry: space_pb2.DictEntry) -> dict[str, str]:
    """Return a Dict's key as JSON: {"name": text} or {"index": decimal}."""
    if entry.WhichOneof("key") == "name":
        return {"name": entry.name}
    return {"index": str(entry.index)}


def _describe_box(box: space_pb2.Box) -> dict[str, Any]:
    dtype = NAMES[box.dtype]
    made: dict[str, Any] = {"dtype": dtype, "shape": [str(x) for x in box.shape]}
    for name, bounds in (("low", box.low), ("high", box.high)):
        if bounds.WhichOneof("form") == "uniform":
            made[name] = {"uniform": show(dtype, bounds.uniform)[0]}
        else:
            made[name] = {"elementwise": show(dtype, bounds.elementwise)}
        if 1 in bounds.unbounded:
            marks = [bool(mark) for mark in bounds.unbounded]
            made[name]["unbounded"] = True if all(marks) else marks
    return made


def _describe_leaf(space: Space) -> dict[str, Any]:
    kind = space.WhichOneof("kind")
    if kind == "discrete":
        dtype = NAMES[space.discrete.dtype]
        start = show(dtype, space.discrete.start)[0] if space.discrete.start else "0"
        return {"discrete": {"dtype": dtype, "n": str(space.discrete.n), "start": start}}
    if kind == "multi_binary":
        shape = [str(x) for x in space.multi_binary.shape]
        return {"multi_binary": {"shape": shape, "flat": space.multi_binary.flat}}
    if kind == "multi_discrete":
        many = space.multi_discrete
        dtype = NAMES[many.dtype]
        nvec = show(dtype, many.nvec)
        starts = show(dtype, many.start) if many.start else ["0"] * len(nvec)
        shape = [str(x) for x in many.shape]
        return {"multi_discrete": {"dtype": dtype, "shape": shape, "nvec": nvec, "start": starts}}
    if kind == "text":
        made = space.text
        return {
            "text": {
                "min_length": made.min_length,
                "max_length": made.max_length,
                "charset": made.charset,
            }
        }
    raise ValueError(f"no family {kind!r}")
