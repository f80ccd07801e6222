"""Checks slabs against their space: V-2 to V-12, at every level of validation (V-14)."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

from rlmesh._conformance.elements import ITEM_BYTES, element_of
from rlmesh._conformance.slabs import BadValue, count_slabs, multi_discrete_ranges

__all__ = ["check_value"]


def check_value(space: Any, value: Any, batch: int | None) -> None:
    """Check a value against rules V-1 to V-12 and V-15.

    Args:
        space: A `Space`.
        value: A `Value`.
        batch: The `batch_size` that it must have; None: none.

    Raises:
        BadValue: If it breaks one.
    """
    has = value.batch_size if value.HasField("batch_size") else None
    if has != batch:
        raise BadValue("V-1", "", f"expected batch_size {batch}, got {has}")
    wanted = count_slabs(space)
    if len(value.slabs) != wanted:
        raise BadValue("V-3", "", f"expected {wanted} slabs, got {len(value.slabs)}")
    _Reader(list(value.slabs)).read(space, 1 if batch is None else batch, "")


class _Reader:
    """Takes the slabs of a value one after another."""

    def __init__(self, slabs: list[bytes]) -> None:
        self._slabs = slabs
        self._at = 0

    def _take(self, size: int, path: str, rule: str = "V-4") -> bytes:
        slab = self._slabs[self._at]
        self._at += 1
        if len(slab) != size:
            raise BadValue(rule, path, f"expected a slab of {size} bytes, got {len(slab)}")
        return slab

    def _counts(self, n: int, path: str) -> list[int]:
        return list(struct.unpack(f"<{n}I", self._take(4 * n, path)))

    def read(self, space: Any, n: int, path: str) -> None:
        """Read `n` values of a space."""
        kind = space.WhichOneof("kind")
        part = getattr(space, kind)
        if kind == "dict":
            for entry in part.entries:
                key = repr(entry.name) if entry.WhichOneof("key") == "name" else entry.index
                self.read(entry.space, n, f"{path}[{key}]")
        elif kind == "tuple":
            for position, child in enumerate(part.spaces):
                self.read(child, n, f"{path}[{position}]")
        else:
            _KINDS[kind](self, part, n, path)

    def box(self, box: Any, n: int, path: str) -> None:
        """Read values of a Box (V-7)."""
        slab = self._take(n * math.prod(box.shape) * ITEM_BYTES[box.dtype], path)
        if box.dtype == 1:
            _check_flags(slab, path)

    def multi_binary(self, space: Any, n: int, path: str) -> None:
        """Read values of a MultiBinary (V-7)."""
        _check_flags(self._take(n * math.prod(space.shape), path), path)

    def discrete(self, space: Any, n: int, path: str) -> None:
        """Read values of a Discrete (V-8)."""
        start = int(element_of(space.dtype, space.start)) if space.start else 0
        self._integers(space.dtype, [space.n] * n, [start] * n, path)

    def multi_discrete(self, space: Any, n: int, path: str) -> None:
        """Read values of a MultiDiscrete (V-8)."""
        counts, starts = multi_discrete_ranges(space)
        self._integers(space.dtype, counts * n, starts * n, path)

    def _integers(self, dtype: int, counts: list[int], starts: list[int], path: str) -> None:
        size = ITEM_BYTES[dtype]
        slab = self._take(len(counts) * size, path)
        for i, (count, start) in enumerate(zip(counts, starts)):
            number = element_of(dtype, slab[i * size : i * size + size])
            if not start <= number < start + count:
                raise BadValue("V-8", path, f"{number} is not from {start} to {start + count - 1}")

    def text(self, space: Any, n: int, path: str) -> None:
        """Read texts (V-9)."""
        lengths = self._counts(n, path)
        joined, at = self._take(sum(lengths), path, "V-9"), 0
        for length in lengths:
            try:
                joined[at : at + length].decode()
            except UnicodeDecodeError:
                raise BadValue("V-9", path, "a text is not UTF-8") from None
            at += length

    def sequence(self, space: Any, n: int, path: str) -> None:
        """Read sequences (V-15)."""
        total = sum(self._counts(n, path))
        if space.stacked and not count_slabs(space.space) and total:
            raise BadValue("V-15", path, "a stack without a slab has a length above 0")
        self.read(space.space, total, path)

    def one_of(self, space: Any, n: int, path: str) -> None:
        """Read values of alternatives (V-12)."""
        chosen = self._counts(n, path)
        if any(index >= len(space.spaces) for index in chosen):
            raise BadValue("V-12", path, f"an index is not below {len(space.spaces)}")
        for index, child in enumerate(space.spaces):
            self.read(child, chosen.count(index), f"{path}[{index}]")

    def graph(self, space: Any, n: int, path: str) -> None:
        """Read graphs (V-10, V-11)."""
        has_edges = space.HasField("edge_space")
        flags = self._take(n, path)
        nodes, edges = self._counts(n, path), self._counts(n, path)
        linked = sum(count for flag, count in zip(flags, edges) if flag & 2)
        featured = sum(count for flag, count in zip(flags, edges) if flag & 1)
        for flag, count in zip(flags, edges):
            bare = not has_edges and (flag & 1 or count)
            if flag > 3 or bare or (count and not flag):
                raise BadValue("V-10", path, f"flags {flag} with {count} edges")
        links = struct.unpack(f"<{2 * linked}i", self._take(8 * linked, path, "V-10"))
        ends = iter(links)
        for flag, count, below in zip(flags, edges, nodes):
            for _ in range(2 * count if flag & 2 else 0):
                if not 0 <= (end := next(ends)) < below:
                    raise BadValue("V-11", f"{path}.edge_links", f"{end} is not below {below}")
        self.read(space.node_space, sum(nodes), f"{path}.nodes")
        if has_edges:
            self.read(space.edge_space, featured, f"{path}.edges")


def _check_flags(slab: bytes, path: str) -> None:
    if any(byte > 1 for byte in slab):
        raise BadValue("V-7", path, "a byte is neither 0 nor 1")


_KINDS: dict[str, Callable[[_Reader, Any, int, str], None]] = {
    "box": _Reader.box,
    "multi_binary": _Reader.multi_binary,
    "discrete": _Reader.discrete,
    "multi_discrete": _Reader.multi_discrete,
    "text": _Reader.text,
    "sequence": _Reader.sequence,
    "one_of": _Reader.one_of,
    "graph": _Reader.graph,
}
