"""Spaces made of spaces: Dict, Tuple, Sequence, Graph and OneOf."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from rlmesh._codec.base import (
    Node,
    SlabReader,
    TupleBatched,
    join_batches,
    pack_lengths,
    spans,
)
from rlmesh._codec.leaves import ArrayNode, index_of
from rlmesh.backends import Buffer
from rlmesh.errors import CodecError, InvalidValueError

__all__ = ["DictNode", "GraphNode", "OneOfNode", "SequenceNode", "TupleNode"]


class DictNode(Node):
    """Named children, in order; no slab of its own."""

    def __init__(self, path: str, children: Sequence[tuple[str | int, Node]]) -> None:
        super().__init__(path)
        self._children = tuple(children)
        self._keys = frozenset(key for key, _ in children)
        self.parts, self.empty_parts = _joined([child for _, child in children])

    def _mapping(self, value: Any) -> Mapping[Any, Any]:
        if not isinstance(value, Mapping):
            raise InvalidValueError(self.path, "a dict", type(value).__name__)
        if value.keys() != self._keys:
            missing = sorted(map(repr, self._keys - value.keys()))
            extra = sorted(map(repr, value.keys() - self._keys))
            words = [f"no {', '.join(missing)}"] if missing else []
            words += [f"the unknown {', '.join(extra)}"] if extra else []
            expected = f"a dict with keys {[key for key, _ in self._children]}"
            raise InvalidValueError(self.path, expected, f"one with {' and '.join(words)}")
        return value

    def encode_one(self, value: Any, out: list[Buffer]) -> None:
        """See `Node`."""
        mapping = self._mapping(value)
        for key, child in self._children:
            child.encode_one(mapping[key], out)

    def encode_many(self, values: Sequence[Any], out: list[Buffer]) -> None:
        """See `Node`."""
        mappings = [self._mapping(value) for value in values]
        for key, child in self._children:
            child.encode_many([mapping[key] for mapping in mappings], out)

    def encode_batches(
        self, batches: Sequence[Any], counts: Sequence[int], out: list[Buffer]
    ) -> None:
        """See `Node`."""
        mappings = [self._mapping(batch) for batch in batches]
        for key, child in self._children:
            child.encode_batches([mapping[key] for mapping in mappings], counts, out)

    def decode_one(self, reader: SlabReader) -> Any:
        """See `Node`."""
        return {key: child.decode_one(reader) for key, child in self._children}

    def decode_many(self, reader: SlabReader, count: int) -> list[Any]:
        """See `Node`."""
        # The slabs first: those that are too short show that there are not so many values.
        columns = [child.decode_many(reader, count) for _, child in self._children]
        keys = [key for key, _ in self._children]
        return [{k: column[i] for k, column in zip(keys, columns)} for i in range(count)]

    def decode_batches(self, reader: SlabReader, counts: Sequence[int]) -> list[Any]:
        """See `Node`."""
        batches: list[dict[str | int, Any]] = [{} for _ in counts]
        for key, child in self._children:
            for batch, part in zip(batches, child.decode_batches(reader, counts)):
                batch[key] = part
        return batches

    def batch_length(self, batch: Any) -> int | None:
        """See `Node`."""
        mapping = self._mapping(batch)
        return _first(child.batch_length(mapping[key]) for key, child in self._children)


class TupleNode(Node):
    """Numbered children; no slab of its own."""

    def __init__(self, path: str, children: Sequence[Node]) -> None:
        super().__init__(path)
        self._children = tuple(children)
        self.parts, self.empty_parts = _joined(children)

    def _parts(self, value: Any) -> Sequence[Any]:
        if not isinstance(value, (tuple, list)) or len(value) != len(self._children):
            got = f"{type(value).__name__}"
            if isinstance(value, (tuple, list)):
                got += f" of {len(value)}"
            raise InvalidValueError(self.path, f"a tuple of {len(self._children)}", got)
        return value

    def encode_one(self, value: Any, out: list[Buffer]) -> None:
        """See `Node`."""
        for part, child in zip(self._parts(value), self._children):
            child.encode_one(part, out)

    def encode_many(self, values: Sequence[Any], out: list[Buffer]) -> None:
        """See `Node`."""
        parts = [self._parts(value) for value in values]
        for i, child in enumerate(self._children):
            child.encode_many([part[i] for part in parts], out)

    def encode_batches(
        self, batches: Sequence[Any], counts: Sequence[int], out: list[Buffer]
    ) -> None:
        """See `Node`."""
        parts = [self._parts(batch) for batch in batches]
        for i, child in enumerate(self._children):
            child.encode_batches([part[i] for part in parts], counts, out)

    def decode_one(self, reader: SlabReader) -> Any:
        """See `Node`."""
        return tuple([child.decode_one(reader) for child in self._children])

    def decode_many(self, reader: SlabReader, count: int) -> list[Any]:
        """See `Node`."""
        columns = [child.decode_many(reader, count) for child in self._children]
        return [tuple(column[i] for column in columns) for i in range(count)]

    def decode_batches(self, reader: SlabReader, counts: Sequence[int]) -> list[Any]:
        """See `Node`."""
        columns = [child.decode_batches(reader, counts) for child in self._children]
        return [tuple(column[i] for column in columns) for i in range(len(counts))]

    def batch_length(self, batch: Any) -> int | None:
        """See `Node`."""
        parts = self._parts(batch)
        return _first(child.batch_length(part) for part, child in zip(parts, self._children))


def _joined(children: Sequence[Node]) -> tuple[int, int]:
    """Return `parts` and `empty_parts` of a node that has no slab of its own."""
    parts = 1 + sum(child.parts for child in children)
    empty_parts = sum(child.empty_parts for child in children)
    return parts, empty_parts + (empty_parts == parts - 1)


def _first(lengths: Iterable[int | None]) -> int | None:
    return next((length for length in lengths if length is not None), None)


class SequenceNode(TupleBatched):
    """Values of one child, any number: a slab of lengths, then the child's."""

    def __init__(self, path: str, child: Node, stacked: bool) -> None:
        super().__init__(path)
        self._child = child
        self._stacked = stacked

    def encode_many(self, values: Sequence[Any], out: list[Buffer]) -> None:
        """See `Node`."""
        inner: list[Buffer] = []
        if self._stacked:
            lengths = join_batches(self._child, values, inner)
        else:
            for value in values:
                if not isinstance(value, (tuple, list)):
                    raise InvalidValueError(self.path, "a tuple", type(value).__name__)
            lengths = [len(value) for value in values]
            self._child.encode_many([x for value in values for x in value], inner)
        out.append(pack_lengths(lengths, self.path))
        out.extend(inner)

    def decode_many(self, reader: SlabReader, count: int) -> list[Any]:
        """See `Node`."""
        lengths = reader.lengths(count, self.path)
        total, child = sum(lengths), self._child
        reader.check_count(total, self.path)
        if self._stacked:
            stacks = _decode_stacks(child, reader, lengths, self.path)
            for batch, length in zip(stacks, lengths):
                if length and child.batch_length(batch) is None:
                    expected = "lengths of 0 for stacks without a slab"
                    raise CodecError.of_rule("V-15", expected, str(length), path=self.path)
            return stacks
        reader.check_free(total * child.empty_parts, self.path)
        elements = iter(child.decode_many(reader, total))
        return [tuple([next(elements) for _ in range(n)]) for n in lengths]


def _decode_stacks(child: Node, reader: SlabReader, lengths: Sequence[int], path: str) -> list[Any]:
    """Return the next stacks, of these lengths; each stack counts as one value (M-8)."""
    empty = lengths.count(0)
    free = empty * child.parts + (len(lengths) - empty) * child.empty_parts
    reader.check_free(free, path)
    return child.decode_batches(reader, lengths)


_LINK_BYTES = 8
"""An edge is a pair of int32."""


class GraphNode(TupleBatched):
    """Graphs: flags, node counts, edge counts and links; then node and edge features.

    Args:
        path: Path of the space.
        nodes: Features of a node.
        edges: Features of an edge; None: the space has none.
        links: Pairs of node indices.
        made: Class of the graphs that it makes.
    """

    _HAS_EDGES = 1
    _HAS_LINKS = 2

    def __init__(
        self, path: str, nodes: Node, edges: Node | None, links: ArrayNode, made: type[Any]
    ) -> None:
        super().__init__(path)
        self._made = made
        self._nodes = nodes
        self._edges = edges
        self._links = links

    def encode_many(self, values: Sequence[Any], out: list[Buffer]) -> None:
        """See `Node`."""
        nodes: list[Buffer] = []
        edges: list[Buffer] = []
        node_counts = join_batches(self._nodes, [self._part(v, "nodes") for v in values], nodes)
        flags, edge_counts = [], []
        links: list[Buffer] = []
        for value, n in zip(values, node_counts):
            flag, count = self._shape(value)
            flags.append(flag)
            edge_counts.append(count)
            if value.edge_links is not None:
                self._links.encode_batches([value.edge_links], [count], links)
                wrong = _wrong_end(links[-1], n)
                if wrong is not None:
                    expected = f"ends below the number of nodes, {n}"
                    raise InvalidValueError(self._links.path, expected, str(wrong))
        out.append(bytes(flags))
        out.append(pack_lengths(node_counts, self.path))
        out.append(pack_lengths(edge_counts, self.path))
        out.append(links[0] if len(links) == 1 else b"".join(links))
        if self._edges is not None:
            join_batches(self._edges, [v.edges for v in values if v.edges is not None], edges)
        out.extend(nodes)
        out.extend(edges)

    def _part(self, value: Any, name: str) -> Any:
        if not all(hasattr(value, part) for part in ("nodes", "edges", "edge_links")):
            raise InvalidValueError(self.path, "a GraphInstance", type(value).__name__)
        return getattr(value, name)

    def _shape(self, value: Any) -> tuple[int, int]:
        """Return the flags and the number of edges of one graph."""
        flag, count = 0, 0
        if value.edges is not None:
            if self._edges is None:
                raise InvalidValueError(self.path, "a graph without edge features", "some")
            flag, count = self._HAS_EDGES, self._edges.batch_length(value.edges) or 0
        if value.edge_links is not None:
            links = self._links.batch_length(value.edge_links)
            if flag and links != count:
                raise InvalidValueError(self.path, f"{count} edge links", str(links))
            flag, count = flag | self._HAS_LINKS, links
            if self._edges is None and links:
                raise InvalidValueError(self.path, "a graph without edges", f"{links} edge links")
        return flag, count

    def decode_many(self, reader: SlabReader, count: int) -> list[Any]:
        """See `Node`."""
        flags = reader.own(count, self.path)
        node_counts = reader.lengths(count, self._nodes.path)
        edge_counts = reader.lengths(count, self._links.path)
        reader.check_count(sum(node_counts), self._nodes.path)
        reader.check_count(sum(edge_counts), self._links.path)
        for flag, n in zip(flags, edge_counts):
            self._check_flags(flag, n)
        has_links = [bool(flag & self._HAS_LINKS) for flag in flags]
        has_edges = [bool(flag & self._HAS_EDGES) for flag in flags]
        slab = reader.peek(self._links.path)
        links = _some(self._links, reader, edge_counts, has_links)
        linked = [n if has else 0 for n, has in zip(edge_counts, has_links)]
        self._check_ends(slab, node_counts, linked)
        nodes = _decode_stacks(self._nodes, reader, node_counts, self._nodes.path)
        edges: list[Any] = [None] * count
        if self._edges is not None:
            edges = _some(self._edges, reader, edge_counts, has_edges)
        return [self._made(*parts) for parts in zip(nodes, edges, links)]

    def _check_ends(
        self, slab: Buffer, node_counts: Sequence[int], link_counts: Sequence[int]
    ) -> None:
        for n, (start, end) in zip(node_counts, spans(link_counts)):
            wrong = _wrong_end(slab[_LINK_BYTES * start : _LINK_BYTES * end], n)
            if wrong is not None:
                expected = f"ends from 0 to {n - 1}" if n else "no link in a graph without nodes"
                raise CodecError.of_rule("V-11", expected, str(wrong), path=self._links.path)

    def _check_flags(self, flag: int, edges: int) -> None:
        if flag & ~3 or (flag & self._HAS_EDGES and self._edges is None):
            expected = "flags 0 to 3" if self._edges is not None else "flags 0 or 2"
            raise CodecError.of_rule("V-10", expected, str(flag), path=self.path)
        if edges and (not flag or self._edges is None):
            expected = "no edges of a graph without features and links"
            raise CodecError.of_rule("V-10", expected, str(edges), path=self.path)


def _some(
    node: Node, reader: SlabReader, counts: Sequence[int], present: Sequence[bool]
) -> list[Any]:
    """Return a list with the stacks at the `present` positions, and None at the others."""
    lengths = [n for n, p in zip(counts, present) if p]
    stacks = iter(_decode_stacks(node, reader, lengths, node.path))
    return [next(stacks) if p else None for p in present]


def _wrong_end(links: Buffer, nodes: int) -> int | None:
    """Return an end of an edge that is not one of `nodes`; None if there is none."""
    ends: tuple[int, ...] = struct.unpack(f"<{len(links) // 4}i", links)
    if not ends:
        return None
    first, last = min(ends), max(ends)
    if first < 0:
        return first
    return last if last >= nodes else None


class OneOfNode(TupleBatched):
    """One of several children: a slab of indices, then each child with the values that chose it."""

    def __init__(
        self, path: str, children: Sequence[Node], index_type: Callable[[int], Any]
    ) -> None:
        super().__init__(path)
        self._children = tuple(children)
        self._index_type = index_type

    def _choice(self, value: Any) -> tuple[int, Any]:
        expected = f"a pair of an index below {len(self._children)} and a value"
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise InvalidValueError(self.path, expected, type(value).__name__)
        index = index_of(value[0])
        if index is None or not 0 <= index < len(self._children):
            raise InvalidValueError(self.path, expected, f"index {value[0]!r:.60}")
        return index, value[1]

    def encode_many(self, values: Sequence[Any], out: list[Buffer]) -> None:
        """See `Node`."""
        choices = [self._choice(value) for value in values]
        out.append(struct.pack(f"<{len(choices)}I", *(index for index, _ in choices)))
        # One pass over the values, however many alternatives there are.
        chosen: list[list[Any]] = [[] for _ in self._children]
        for index, value in choices:
            chosen[index].append(value)
        for child, parts in zip(self._children, chosen):
            child.encode_many(parts, out)

    def decode_many(self, reader: SlabReader, count: int) -> list[Any]:
        """See `Node`."""
        indices = reader.lengths(count, self.path)
        if indices and max(indices) >= len(self._children):
            expected = f"indices below {len(self._children)}"
            raise CodecError.of_rule("V-12", expected, str(max(indices)), path=self.path)
        counts = Counter(indices)
        reader.check_free(
            sum(n * self._children[i].empty_parts for i, n in counts.items()), self.path
        )
        columns = [
            iter(child.decode_many(reader, counts[i])) for i, child in enumerate(self._children)
        ]
        index_type = self._index_type
        return [(index_type(index), next(columns[index])) for index in indices]
