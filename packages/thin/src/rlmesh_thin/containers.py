"""Spaces of spaces: Dict, Tuple, Sequence, Graph and OneOf (S-11 to S-14)."""

import collections
import collections.abc
from typing import Any, Iterable, List, Optional, Sequence, Tuple

import numpy as np

from rlmesh_thin.faults import LIMIT_EXCEEDED, MALFORMED, MAX_KEY_BYTES, Fault
from rlmesh_thin.slabs import SlabReader, broken, check_place
from rlmesh_thin.spaces import Numbers, Space
from rlmesh_thin.wire import field_blob, field_sint

__all__ = [
    "Graph",
    "GraphInstance",
    "OneOf",
    "PartsSpace",
    "SequenceSpace",
    "check_space",
    "stack",
    "unstack",
]

MAX_DEPTH = 24
MAX_LEAVES = 4096
MAX_SPACES = 16384
GraphInstance = collections.namedtuple("GraphInstance", ("nodes", "edges", "edge_links"))


def check_space(space: Space) -> Space:
    """Return a root space; raise Fault if all of it is over a limit (S-2, M-1)."""
    counts = (space.depth, space.leaf_count, space.space_count)
    if space.depth > MAX_DEPTH:
        raise Fault(MALFORMED, "S-2: expected at most %d levels, got %d" % (MAX_DEPTH, space.depth))
    if space.leaf_count > MAX_LEAVES or space.space_count > MAX_SPACES:
        limits = (MAX_LEAVES, MAX_SPACES)
        text = "M-1: expected at most %d leaves and %d spaces, got %d and %d"
        raise Fault(LIMIT_EXCEEDED, text % (limits + counts[1:]))
    return space


def stack(space: Space, values: List[Any]) -> Any:
    """Return values stacked on a new first axis: arrays by leaf, others as a tuple."""
    if isinstance(space, PartsSpace):
        pairs = zip(space.keys, space.children)
        parts = [stack(child, [value[key] for value in values]) for key, child in pairs]
        return space.made(parts)
    if isinstance(space, Numbers):
        stacked = np.empty((len(values),) + space.shape, space.dtype)
        for at, value in enumerate(values):
            stacked[at, ...] = value
        return stacked
    return tuple(values)


def unstack(space: Space, stacked: Any) -> List[Any]:
    """Return the values of a stack; a ValueError or TypeError says that it is none of the space."""
    if not isinstance(space, PartsSpace):
        return list(stacked)
    if len(stacked) != len(space.keys):
        raise ValueError("%d parts instead of %d" % (len(stacked), len(space.keys)))
    parts = [unstack(child, stacked[key]) for key, child in zip(space.keys, space.children)]
    if any(len(part) != len(parts[0]) for part in parts):
        raise ValueError("parts of different lengths")
    return [space.made(row) for row in zip(*parts)]


class PartsSpace(Space):
    """Spaces under keys, which are strings or integers: a Dict, or a Tuple.

    Args:
        path: See `Space`.
        children: The spaces.
        keys: The keys of a Dict, in the order of the leaves; None: a Tuple.
        insertion_ordered: Whether the order is that of a plain mapping.
    """

    def __init__(
        self, path: str, children: Sequence[Any], keys: Any = None, insertion_ordered: bool = False
    ) -> None:
        self.named = keys is not None
        self.keys = list(range(len(children)) if keys is None else keys)
        parts = [child.proto for child in children]
        if self.named:
            if len(set(self.keys)) != len(self.keys):
                raise Fault(MALFORMED, "S-11: expected distinct keys", path)
            parts = [self._entry(*pair) for pair in zip(self.keys, parts)]
        data = b"".join(field_blob(1, part) for part in parts)
        if insertion_ordered:
            data += b"\x10\1"
        super().__init__(path, field_blob(6 if self.named else 7, data), children, 0)
        self.is_free = all(child.is_free for child in children)
        self.free_count = int(self.is_free) + sum(child.free_count for child in children)
        self.part_count = 1 + sum(child.part_count for child in children)

    def _entry(self, key: Any, child: bytes) -> bytes:
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            raise Fault(MALFORMED, "S-11: expected a key of str or int, got %.60r" % (key,))
        if len(str(key).encode("utf-8", "replace")) > MAX_KEY_BYTES:
            raise Fault(LIMIT_EXCEEDED, "M-1: a key of over %d bytes" % MAX_KEY_BYTES)
        name = field_blob(1, key) if isinstance(key, str) else field_sint(2, key)
        return name + field_blob(3, child)

    def made(self, parts: Any) -> Any:
        """Return the dict or tuple of parts."""
        return dict(zip(self.keys, parts)) if self.named else tuple(parts)

    def encode(self, values: List[Any], slabs: List[Any]) -> None:
        """See `Space`."""
        for value in values:
            if self.named:
                fits = isinstance(value, collections.abc.Mapping) and set(value) == set(self.keys)
            else:
                fits = isinstance(value, (tuple, list)) and len(value) == len(self.keys)
            if not fits:
                expected = "a %s with the keys %s" % ("dict" if self.named else "tuple", self.keys)
                actual = "a %s" % type(value).__name__
                if isinstance(value, (collections.abc.Mapping, tuple, list)):
                    actual += " with %.200s" % (list(value) if self.named else len(value))
                raise broken(self.path, "F-7", expected[:1000], actual)
        for key, child in zip(self.keys, self.children):
            child.encode([value[key] for value in values], slabs)

    def decode(self, slabs: SlabReader, count: int) -> List[Any]:
        """See `Space`."""
        parts = [child.decode(slabs, count) for child in self.children]
        rows: Any = zip(*parts) if parts else [()] * count
        return [self.made(row) for row in rows]

    def parts(self, value: Any) -> Iterable[Tuple[Any, Any]]:
        """See `Space`."""
        return [(child, value[key]) for key, child in zip(self.keys, self.children)]


def _count_stacks(space: Space, slabs: SlabReader, lengths: List[int], path: str) -> None:
    """Count the values without a byte in stacks of values (M-8)."""
    more = sum(lengths) * space.free_count + lengths.count(0) * space.part_count
    slabs.count_free(more, path)


def _split(values: List[Any], lengths: List[int]) -> List[List[Any]]:
    parts, at = [], 0
    for length in lengths:
        parts.append(values[at : at + length])
        at += length
    return parts


def _uint32s(numbers: Any) -> bytes:
    data: bytes = np.array(list(numbers), "<u4").tobytes()
    return data


class SequenceSpace(Space):
    """Any number of values of one space, as a tuple or, if stacked, as `stack` returns them."""

    def __init__(self, path: str, child: Space, stacked: bool = False) -> None:
        proto = field_blob(1, child.proto) + (b"\x10\1" if stacked else b"")
        super().__init__(path, field_blob(8, proto), [child])
        self._child, self.stacked = child, stacked

    def encode(self, values: List[Any], slabs: List[Any]) -> None:
        """See `Space`."""
        try:
            rows = [unstack(self._child, v) if self.stacked else list(v) for v in values]
        except Exception as error:
            raise broken(self.path, "F-7", "a sequence of values", str(error)) from None
        slabs.append(_uint32s(map(len, rows)))
        self._child.encode([element for row in rows for element in row], slabs)

    def decode(self, slabs: SlabReader, count: int) -> List[Any]:
        """See `Space`."""
        child, path = self._child, self.path
        lengths = slabs.uint32s(count, path)
        check_place(sum(lengths), path)
        if not self.stacked:
            slabs.count_free(sum(lengths) * child.free_count, path)
        elif not child.slab_count and any(lengths):
            raise broken(path, "V-15", "empty stacks of a space without slabs", "other lengths")
        else:
            _count_stacks(child, slabs, lengths, path)
        rows = _split(child.decode(slabs, sum(lengths)), lengths)
        return [stack(child, row) if self.stacked else tuple(row) for row in rows]

    def parts(self, value: Any) -> Iterable[Tuple[Any, Any]]:
        """See `Space`."""
        return [(self._child, v) for v in (unstack(self._child, value) if self.stacked else value)]


class Graph(Space):
    """Nodes, and edges between them; a value has the attributes nodes, edges and edge_links.

    Args:
        path: See `Space`.
        nodes: Space of each node's features.
        edges: Space of each edge's features; None: there are none.
        make: Makes a value of the three parts.
    """

    def __init__(
        self, path: str, nodes: Space, edges: Optional[Space], make: Any = GraphInstance
    ) -> None:
        children = [nodes] if edges is None else [nodes, edges]
        proto = b"".join(field_blob(at, child.proto) for at, child in enumerate(children, 1))
        super().__init__(path, field_blob(9, proto), children, 4)
        for child in children:
            if not child.slab_count:
                raise Fault(MALFORMED, "S-13: features need a space with a slab", child.path)
        self._nodes, self._edges, self._make = nodes, edges, make

    def encode(self, values: List[Any], slabs: List[Any]) -> None:
        """See `Space`."""
        rows = []
        for value in values:
            try:
                rows.append(self._row(value))
            except Exception as error:
                actual = "a %s: %s" % (type(value).__name__, error)
                raise broken(self.path, "V-10", "a graph of the space", actual) from None
        slabs.append(
            bytes((edges is not None) + 2 * (links is not None) for _, edges, links in rows)
        )
        slabs.append(_uint32s(len(nodes) for nodes, _, _ in rows))
        slabs.append(
            _uint32s(len(links or ()) if edges is None else len(edges) for _, edges, links in rows)
        )
        ends = [end for _, _, links in rows for link in links or () for end in link]
        slabs.append(np.array(ends, "<i4").tobytes())
        self._nodes.encode([node for nodes, _, _ in rows for node in nodes], slabs)
        if self._edges is not None:
            self._edges.encode([edge for _, edges, _ in rows for edge in edges or ()], slabs)

    def _row(self, value: Any) -> Tuple[List[Any], Optional[List[Any]], Optional[List[Any]]]:
        """Return nodes, edges and links of a graph; raise ValueError if it is none of the space."""
        nodes, edges, links = unstack(self._nodes, value.nodes), None, None
        if value.edges is not None:
            if self._edges is None:
                raise ValueError("edges without an edge space")
            edges = unstack(self._edges, value.edges)
        if value.edge_links is not None:
            array = np.asarray(value.edge_links)
            if array.size and (array.dtype.kind not in "iu" or array.shape[1:] != (2,)):
                raise ValueError("edge links of shape %s and %s" % (array.shape, array.dtype))
            if array.size and not 0 <= array.min() <= array.max() < len(nodes):
                raise ValueError("a link to none of the %d nodes" % len(nodes))
            links = array.reshape(-1, 2).tolist()
        if links is not None and edges is not None and len(links) != len(edges):
            raise ValueError("%d edges and %d links" % (len(edges), len(links)))
        return nodes, edges, links

    def decode(self, slabs: SlabReader, count: int) -> List[Any]:
        """See `Space`."""
        path = self.path
        flags = list(bytes(slabs.take(count, path)))
        nodes, edges = slabs.uint32s(count, path), slabs.uint32s(count, path)
        for flag, size in zip(flags, edges):
            if flag > 3 or (size and not flag) or (self._edges is None and (size or flag & 1)):
                actual = "the flags %d and %d edges" % (flag, size)
                raise broken(path, "V-10", "flags that fit the space and the counts", actual)
        check_place(sum(edges), path)
        linked = [size if flag & 2 else 0 for flag, size in zip(flags, edges)]
        slab = slabs.take(8 * sum(linked), path + ".edge_links")
        links = np.ndarray((sum(linked), 2), "<i4", slab) if len(slab) else np.empty((0, 2), "<i4")
        _count_stacks(self._nodes, slabs, nodes, path)
        check_place(sum(nodes), path)
        columns = [_split(self._nodes.decode(slabs, sum(nodes)), nodes)]
        featured = [size if flag & 1 else 0 for flag, size in zip(flags, edges)]
        values: List[Any] = []
        if self._edges is not None:
            _count_stacks(self._edges, slabs, [n for n, f in zip(edges, flags) if f & 1], path)
            values = self._edges.decode(slabs, sum(featured))
        columns += [_split(values, featured), _split(links, linked)]  # type: ignore[arg-type]
        return [self._graph(path, row) for row in zip(flags, *columns)]

    def _graph(self, path: str, row: Any) -> Any:
        flag, nodes, edges, links = row
        if links.size and not 0 <= links.min() <= links.max() < len(nodes):
            actual = "links of %d to %d" % (links.min(), links.max())
            raise broken(
                path + ".edge_links", "V-11", "links between %d nodes" % len(nodes), actual
            )
        features = stack(self._edges, edges) if self._edges is not None and flag & 1 else None
        return self._make(stack(self._nodes, nodes), features, links.copy() if flag & 2 else None)

    def parts(self, value: Any) -> Iterable[Tuple[Any, Any]]:
        """See `Space`."""
        nodes, edges, _ = self._row(value)
        return [(self._nodes, node) for node in nodes] + [
            (self._edges, edge) for edge in edges or ()
        ]


class OneOf(Space):
    """One value of one of several spaces: a pair of its index and the value."""

    def __init__(self, path: str, children: Sequence[Any]) -> None:
        if not children:
            raise Fault(MALFORMED, "S-14: expected at least one alternative", path)
        proto = b"".join(field_blob(1, child.proto) for child in children)
        super().__init__(path, field_blob(10, proto), children)

    def encode(self, values: List[Any], slabs: List[Any]) -> None:
        """See `Space`."""
        chosen: List[List[Any]] = [[] for _ in self.children]
        for value in values:
            try:
                index, part = value
                if index < 0:
                    raise IndexError(index)
                chosen[index.__index__()].append(part)
            except Exception as error:
                expected = "a pair (index below %d, value)" % len(chosen)
                raise broken(self.path, "V-12", expected, repr(error)) from None
        slabs.append(_uint32s(value[0] for value in values))
        for child, parts in zip(self.children, chosen):
            child.encode(parts, slabs)

    def decode(self, slabs: SlabReader, count: int) -> List[Any]:
        """See `Space`."""
        path = self.path
        indices = slabs.uint32s(count, path)
        for index in indices:
            if index >= len(self.children):
                raise broken(path, "V-12", "an index below %d" % len(self.children), "%d" % index)
        slabs.count_free(sum(self.children[index].free_count for index in indices), path)
        parts = [
            iter(child.decode(slabs, indices.count(at))) for at, child in enumerate(self.children)
        ]
        return [(index, next(parts[index])) for index in indices]

    def parts(self, value: Any) -> Iterable[Tuple[Any, Any]]:
        """See `Space`."""
        return [(self.children[int(value[0])], value[1])]
