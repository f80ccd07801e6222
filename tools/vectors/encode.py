"""The reference encoder: values of a space to slabs, a literal reading of `Value`'s comment."""

from __future__ import annotations

import struct
from collections.abc import Callable

from rlmesh_proto.spaces.v1 import space_pb2

from .elements import NAMES, pack
from .spaces import describe_key
from .values import Tagged, unb64

__all__ = ["encode"]

Space = space_pb2.Space


def encode(space: Space, values: list[Tagged]) -> list[bytes]:
    """Return the slabs of a batch of values; those of one value are those of a batch of 1."""
    kind = space.WhichOneof("kind")
    if kind is None:
        raise ValueError("a space without a kind")
    return _FAMILIES[kind](space, values)


def _uint32s(numbers: list[int]) -> bytes:
    return b"".join(struct.pack("<I", number) for number in numbers)


def _array(space: Space, values: list[Tagged]) -> list[bytes]:
    if space.HasField("box"):
        dtype, shape = NAMES[space.box.dtype], list(space.box.shape)
    elif space.HasField("multi_binary"):
        dtype, shape = "int8", list(space.multi_binary.shape)
    else:
        dtype, shape = NAMES[space.multi_discrete.dtype], list(space.multi_discrete.shape)
    slab = b""
    for value in values:
        array = value["array"]
        if (array["dtype"], array["shape"]) != (dtype, shape):
            raise ValueError(f"expected {dtype}{shape}, got {array['dtype']}{array['shape']}")
        slab += unb64(array["data"])
    return [slab]


def _discrete(space: Space, values: list[Tagged]) -> list[bytes]:
    dtype = NAMES[space.discrete.dtype]
    return [b"".join(pack(dtype, [int(value["int"])]) for value in values)]


def _text(space: Space, values: list[Tagged]) -> list[bytes]:
    encoded = [value["text"].encode("utf-8") for value in values]
    return [_uint32s([len(text) for text in encoded]), b"".join(encoded)]


def _dict(space: Space, values: list[Tagged]) -> list[bytes]:
    slabs: list[bytes] = []
    for at, entry in enumerate(space.dict.entries):
        for value in values:
            if value["dict"][at][0] != describe_key(entry):
                raise ValueError(f"expected key {describe_key(entry)}, got {value['dict'][at][0]}")
        slabs += encode(entry.space, [value["dict"][at][1] for value in values])
    return slabs


def _tuple(space: Space, values: list[Tagged]) -> list[bytes]:
    slabs: list[bytes] = []
    for at, child in enumerate(space.tuple.spaces):
        slabs += encode(child, [value["tuple"][at] for value in values])
    return slabs


def _sequence(space: Space, values: list[Tagged]) -> list[bytes]:
    lengths = [len(value["sequence"]) for value in values]
    joined = [element for value in values for element in value["sequence"]]
    return [_uint32s(lengths), *encode(space.sequence.space, joined)]


def _graph(space: Space, values: list[Tagged]) -> list[bytes]:
    flags, links = b"", b""
    node_counts: list[int] = []
    edge_counts: list[int] = []
    nodes: list[Tagged] = []
    edges: list[Tagged] = []
    for graph in (value["graph"] for value in values):
        has_edges, has_links = graph["edges"] is not None, graph["edge_links"] is not None
        flags += struct.pack("<B", 1 * has_edges + 2 * has_links)
        node_counts.append(len(graph["nodes"]))
        edge_counts.append(max(len(graph["edges"] or []), len(graph["edge_links"] or [])))
        pairs: list[list[int]] = graph["edge_links"] or []
        for source, target in pairs:
            links += struct.pack("<ii", source, target)
        nodes += graph["nodes"]
        edges += graph["edges"] or []
    slabs = [flags, _uint32s(node_counts), _uint32s(edge_counts), links]
    slabs += encode(space.graph.node_space, nodes)
    if space.graph.HasField("edge_space"):
        slabs += encode(space.graph.edge_space, edges)
    return slabs


def _one_of(space: Space, values: list[Tagged]) -> list[bytes]:
    slabs = [_uint32s([value["one_of"]["index"] for value in values])]
    for at, child in enumerate(space.one_of.spaces):
        chose = [v["one_of"]["value"] for v in values if v["one_of"]["index"] == at]
        slabs += encode(child, chose)
    return slabs


_FAMILIES: dict[str, Callable[[Space, list[Tagged]], list[bytes]]] = {
    "box": _array,
    "discrete": _discrete,
    "multi_binary": _array,
    "multi_discrete": _array,
    "text": _text,
    "dict": _dict,
    "tuple": _tuple,
    "sequence": _sequence,
    "graph": _graph,
    "one_of": _one_of,
}
