"""The numbers and texts that a leaf allows: ranges of integers (V-8) and conformance (F-1)."""

from __future__ import annotations

from rlmesh_proto.spaces.v1 import space_pb2

from .elements import NAMES, unpack
from .values import Tagged, unb64

__all__ = ["conforms", "integer_ranges"]

Space = space_pb2.Space


def integer_ranges(space: Space) -> tuple[list[float], list[float]]:
    """Return smallest and largest value of each element of an integer leaf, or one for all."""
    kind = space.WhichOneof("kind")
    if kind == "multi_binary":
        return [0], [1]
    if kind == "discrete":
        dtype = NAMES[space.discrete.dtype]
        first = (unpack(dtype, space.discrete.start) or [0])[0]
        return [first], [first + space.discrete.n - 1]
    dtype = NAMES[space.multi_discrete.dtype]
    nvec = unpack(dtype, space.multi_discrete.nvec)
    starts = unpack(dtype, space.multi_discrete.start) or [0] * len(nvec)
    return starts, [first + n - 1 for first, n in zip(starts, nvec)]


def conforms(space: Space, value: Tagged) -> bool:
    """Return whether Box elements are in bounds and texts have allowed characters (F-1)."""
    kind = space.WhichOneof("kind")
    if kind == "box":
        return _box(space.box, value)
    if kind == "text":
        wanted, text = space.text, value["text"]
        length_fits = wanted.min_length <= len(text) <= wanted.max_length
        return length_fits and all(character in wanted.charset for character in text)
    if kind == "dict":
        parts = zip(space.dict.entries, value["dict"])
        return all(conforms(entry.space, pair[1]) for entry, pair in parts)
    if kind == "tuple":
        members: list[Tagged] = value["tuple"]
        return all(conforms(space.tuple.spaces[at], v) for at, v in enumerate(members))
    if kind == "sequence":
        return all(conforms(space.sequence.space, v) for v in value["sequence"])
    if kind == "one_of":
        chosen = value["one_of"]
        index: int = chosen["index"]
        return conforms(space.one_of.spaces[index], chosen["value"])
    if kind == "graph":
        nodes: list[Tagged] = value["graph"]["nodes"]
        edges: list[Tagged] = value["graph"]["edges"] or []
        nodes_fit = all(conforms(space.graph.node_space, v) for v in nodes)
        return nodes_fit and all(conforms(space.graph.edge_space, v) for v in edges)
    return True


def _box(box: space_pb2.Box, value: Tagged) -> bool:
    dtype = NAMES[box.dtype]
    low = unpack(dtype, box.low.uniform or box.low.elementwise)
    high = unpack(dtype, box.high.uniform or box.high.elementwise)
    found = unpack(dtype, unb64(value["array"]["data"]))
    # Written as a chain of <=, so that NaN is never in bounds.
    return all(
        low[at % len(low)] <= element <= high[at % len(high)] for at, element in enumerate(found)
    )
