"""The reference decoder: slabs to values of a space, each size checked before it is used."""

from __future__ import annotations

import struct
from collections.abc import Callable

from rlmesh_proto.spaces.v1 import space_pb2

from .elements import ELEMENTS, NAMES, count, unpack
from .ranges import integer_ranges
from .rejected import FREE_VALUES, FREE_VALUES_PER_BYTE, PLACE_VALUES, Rejected, step
from .spaces import describe_key
from .values import Tagged, b64

__all__ = ["decode"]

Space = space_pb2.Space


class _Slabs:
    """The slabs of a value, read one after another."""

    def __init__(self, slabs: list[bytes]) -> None:
        self._slabs = slabs
        self._taken = 0
        self._free = 0

    def take(self, path: str, size: int | None = None) -> bytes:
        """Return the next slab; check its size if it is known beforehand."""
        if self._taken == len(self._slabs):
            raise Rejected("INVALID_VALUE", path, f"a slab beyond the {self._taken} that came")
        slab = self._slabs[self._taken]
        if size is not None and len(slab) != size:
            at = f"slab {self._taken}"
            raise Rejected("INVALID_VALUE", path, f"{at}: expected {size} bytes, got {len(slab)}")
        self._taken += 1
        return slab

    def uint32s(self, n: int, path: str) -> list[int]:
        """Return the next slab, of n uint32."""
        slab = self.take(path, 4 * n)
        return [struct.unpack("<I", slab[4 * i : 4 * i + 4])[0] for i in range(n)]

    def check_free(self, more: int, path: str) -> None:
        """Count values without a byte, and refuse too many. M-8: the slabs limit their number."""
        self._free += more
        if self._free > FREE_VALUES + FREE_VALUES_PER_BYTE * sum(map(len, self._slabs)):
            raise Rejected("LIMIT_EXCEEDED", path, f"{self._free} values without a byte")

    def end(self) -> None:
        """Refuse slabs that are left over."""
        if self._taken != len(self._slabs):
            raise Rejected("INVALID_VALUE", "", f"{len(self._slabs)} slabs, {self._taken} expected")


def decode(space: Space, slabs: list[bytes], n: int) -> list[Tagged]:
    """Return the n values of a batch.

    Raises:
        Rejected: If the slabs are not exactly those of n values.
    """
    reader = _Slabs(slabs)
    reader.check_free(n * _free(space), "")
    values = _walk(space, reader, n, "")
    reader.end()
    return values


def _walk(space: Space, slabs: _Slabs, n: int, path: str) -> list[Tagged]:
    _check_place(n, path)
    return _FAMILIES[str(space.WhichOneof("kind"))](space, slabs, n, path)


def _check_place(n: int, path: str) -> None:
    if n > PLACE_VALUES:
        raise Rejected("LIMIT_EXCEEDED", path, f"{n} values at one place")


def _array(space: Space, slabs: _Slabs, n: int, path: str) -> list[Tagged]:
    if space.HasField("box"):
        dtype, shape = NAMES[space.box.dtype], list(space.box.shape)
    elif space.HasField("multi_binary"):
        dtype, shape = "int8", list(space.multi_binary.shape)
    else:
        dtype, shape = NAMES[space.multi_discrete.dtype], list(space.multi_discrete.shape)
    size = count(shape) * ELEMENTS[dtype].size
    slab = slabs.take(path, n * size)
    if dtype == "bool" and any(byte > 1 for byte in slab):
        raise Rejected("INVALID_VALUE", path, "a bool that is neither 0 nor 1")
    if not space.HasField("box"):
        _check_range(space, unpack(dtype, slab), path)
    parts = [slab[i * size : (i + 1) * size] for i in range(n)]
    return [{"array": {"dtype": dtype, "shape": shape, "data": b64(part)}} for part in parts]


def _discrete(space: Space, slabs: _Slabs, n: int, path: str) -> list[Tagged]:
    dtype = NAMES[space.discrete.dtype]
    found = unpack(dtype, slabs.take(path, n * ELEMENTS[dtype].size))
    _check_range(space, found, path)
    return [{"int": str(value)} for value in found]


def _check_range(space: Space, found: list[float], path: str) -> None:
    """Check V-7 for MultiBinary and V-8 (ranges), which repeat for the elements of a batch."""
    low, high = integer_ranges(space)
    for at, element in enumerate(found):
        if not low[at % len(low)] <= element <= high[at % len(high)]:
            raise Rejected("INVALID_VALUE", path, f"element {at} is {element}, out of range")


def _text(space: Space, slabs: _Slabs, n: int, path: str) -> list[Tagged]:
    lengths = slabs.uint32s(n, path)
    joined = slabs.take(path, sum(lengths))
    values: list[Tagged] = []
    at = 0
    for length in lengths:
        try:
            values.append({"text": joined[at : at + length].decode("utf-8")})
        except UnicodeDecodeError as error:
            raise Rejected("INVALID_VALUE", path, f"bad UTF-8: {error}") from None
        at += length
    return values


def _dict(space: Space, slabs: _Slabs, n: int, path: str) -> list[Tagged]:
    values: list[Tagged] = [{"dict": []} for _ in range(n)]
    for entry in space.dict.entries:
        name = entry.name if entry.WhichOneof("key") == "name" else entry.index
        for value, child in zip(values, _walk(entry.space, slabs, n, path + step(name))):
            value["dict"].append([describe_key(entry), child])
    return values


def _tuple(space: Space, slabs: _Slabs, n: int, path: str) -> list[Tagged]:
    values: list[Tagged] = [{"tuple": []} for _ in range(n)]
    for at, child in enumerate(space.tuple.spaces):
        for value, part in zip(values, _walk(child, slabs, n, path + step(at))):
            value["tuple"].append(part)
    return values


def _sequence(space: Space, slabs: _Slabs, n: int, path: str) -> list[Tagged]:
    lengths = slabs.uint32s(n, path)
    _check_place(sum(lengths), path)
    if space.sequence.stacked:
        _check_stacks(slabs, space.sequence.space, lengths, path)
    else:
        slabs.check_free(sum(lengths) * _free(space.sequence.space), path)
    elements = iter(_walk(space.sequence.space, slabs, sum(lengths), path))
    if space.sequence.stacked and not _has_slabs(space.sequence.space) and any(lengths):
        raise Rejected("INVALID_VALUE", path, f"a stack of nothing with lengths {lengths}")
    return [{"sequence": [next(elements) for _ in range(length)]} for length in lengths]


def _check_stacks(slabs: _Slabs, space: Space, lengths: list[int], path: str) -> None:
    """Check the number of values without a byte in stacks of values of `space` (M-8)."""
    slabs.check_free(sum(lengths) * _free(space) + lengths.count(0) * _parts(space), path)


def _has_slabs(space: Space) -> bool:
    """Return whether a space, or one inside it, has a slab of its own (V-2)."""
    kind = space.WhichOneof("kind")
    if kind == "dict":
        return any(_has_slabs(entry.space) for entry in space.dict.entries)
    return kind != "tuple" or any(_has_slabs(child) for child in space.tuple.spaces)


def _inside(space: Space) -> list[Space] | None:
    """Return the spaces of a Dict or Tuple, None for others."""
    if space.HasField("dict"):
        return [entry.space for entry in space.dict.entries]
    return list(space.tuple.spaces) if space.HasField("tuple") else None


def _parts(space: Space) -> int:
    """Return the number of parts that an empty stack of a space has."""
    return 1 + sum(map(_parts, _inside(space) or []))


def _free(space: Space) -> int:
    """Return the number of these parts that have no byte, whatever the value."""
    inside = _inside(space)
    if inside is None:
        return int(_is_free(space))
    return sum(map(_free, inside)) + int(_is_free(space))


def _is_free(space: Space) -> bool:
    inside = _inside(space)
    if inside is not None:
        return all(map(_is_free, inside))
    kind = str(space.WhichOneof("kind"))
    return kind in ("box", "multi_binary", "multi_discrete") and 0 in getattr(space, kind).shape


def _graph(space: Space, slabs: _Slabs, n: int, path: str) -> list[Tagged]:
    graph = space.graph
    flags = list(slabs.take(path, n))
    if any(flag > 3 for flag in flags):
        raise Rejected("INVALID_VALUE", path, "a graph flag beyond bits 0 and 1")
    node_counts, edge_counts = slabs.uint32s(n, path), slabs.uint32s(n, path)
    if not graph.HasField("edge_space") and (any(edge_counts) or any(f & 1 for f in flags)):
        raise Rejected("INVALID_VALUE", path, "edges, or their features, without an edge space")
    if any(edges and not flag for flag, edges in zip(flags, edge_counts)):
        raise Rejected("INVALID_VALUE", path, "edges with neither features nor links")
    linked = sum(edges for flag, edges in zip(flags, edge_counts) if flag & 2)
    _check_place(sum(edge_counts), path)
    slab = slabs.take(path + ".edge_links", 8 * linked)
    links = [list(struct.unpack("<ii", slab[8 * i : 8 * i + 8])) for i in range(linked)]
    _check_stacks(slabs, graph.node_space, node_counts, path)
    nodes = _walk(graph.node_space, slabs, sum(node_counts), path + ".nodes")
    edges: list[Tagged] = []
    if graph.HasField("edge_space"):
        featured = [e for flag, e in zip(flags, edge_counts) if flag & 1]
        _check_stacks(slabs, graph.edge_space, featured, path)
        edges = _walk(graph.edge_space, slabs, sum(featured), path + ".edges")
    values = _graphs(flags, list(zip(node_counts, edge_counts)), nodes, edges, links)
    for value in values:
        pairs: list[list[int]] = value["graph"]["edge_links"] or []
        for pair in pairs:
            if not all(0 <= end < len(value["graph"]["nodes"]) for end in pair):
                raise Rejected("INVALID_VALUE", path + ".edge_links", f"{pair} joins no nodes")
    return values


def _graphs(
    flags: list[int],
    counts: list[tuple[int, int]],
    nodes: list[Tagged],
    edges: list[Tagged],
    links: list[list[int]],
) -> list[Tagged]:
    next_node, next_edge, next_link = iter(nodes), iter(edges), iter(links)
    values: list[Tagged] = []
    for flag, (node_count, edge_count) in zip(flags, counts):
        made: Tagged = {"nodes": [next(next_node) for _ in range(node_count)]}
        made["edges"] = [next(next_edge) for _ in range(edge_count)] if flag & 1 else None
        made["edge_links"] = [next(next_link) for _ in range(edge_count)] if flag & 2 else None
        values.append({"graph": made})
    return values


def _one_of(space: Space, slabs: _Slabs, n: int, path: str) -> list[Tagged]:
    indices = slabs.uint32s(n, path)
    if any(index >= len(space.one_of.spaces) for index in indices):
        raise Rejected("INVALID_VALUE", path, f"an index beyond {len(space.one_of.spaces) - 1}")
    values: list[Tagged] = [{} for _ in range(n)]
    slabs.check_free(sum(_free(space.one_of.spaces[index]) for index in indices), path)
    for at, child in enumerate(space.one_of.spaces):
        chose = [i for i, index in enumerate(indices) if index == at]
        for i, value in zip(chose, _walk(child, slabs, len(chose), path + step(at))):
            values[i] = {"one_of": {"index": at, "value": value}}
    return values


_FAMILIES: dict[str, Callable[[Space, _Slabs, int, str], list[Tagged]]] = {
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
