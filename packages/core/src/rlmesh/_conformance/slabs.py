"""Values of spaces as slabs: the walk of V-2, written for the kit alone.

Nothing here is shared with the codec of the SDK. The golden vectors judge it
(`tests/conformance/test_kit_slabs.py`).
"""

from __future__ import annotations

import math
import random
import struct
from typing import Any

from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._conformance.elements import ITEM_BYTES, element_of, elements_of, is_float

__all__ = ["BadValue", "count_slabs", "leaves", "multi_discrete_ranges", "sample"]


class BadValue(Exception):
    """A value breaks a rule.

    Attributes:
        rule: Number of the rule.
        path: Steps from the root of the value (X-6).
    """

    def __init__(self, rule: str, path: str, words: str) -> None:
        self.rule = rule
        self.path = path
        super().__init__(f"{rule} at {path or 'the root'}: {words}")


def sample(space: Any, batch: int | None, draw: random.Random) -> value_pb2.Value:
    """Return a value of a space, or a batch.

    Args:
        space: A `Space`.
        batch: Number of values; None: a single one, without `batch_size`.
        draw: Source of the choices.
    """
    found: list[bytes] = []
    _write(space, 1 if batch is None else batch, draw, found)
    return value_pb2.Value(slabs=found, batch_size=batch)


def _write(space: Any, n: int, draw: random.Random, out: list[bytes]) -> None:
    kind = space.WhichOneof("kind")
    if kind in _LEAVES:
        _LEAVES[kind](getattr(space, kind), n, draw, out)
    elif kind == "dict":
        for entry in space.dict.entries:
            _write(entry.space, n, draw, out)
    elif kind == "tuple":
        for child in space.tuple.spaces:
            _write(child, n, draw, out)
    elif kind == "sequence":
        # A stack of a feature space without slabs has to be empty (V-15).
        empty = space.sequence.stacked and not count_slabs(space.sequence.space)
        lengths = [0 if empty else draw.randrange(3) for _ in range(n)]
        out.append(struct.pack(f"<{n}I", *lengths))
        _write(space.sequence.space, sum(lengths), draw, out)
    elif kind == "graph":
        _write_graph(space.graph, n, draw, out)
    else:
        chosen = [draw.randrange(len(space.one_of.spaces)) for _ in range(n)]
        out.append(struct.pack(f"<{n}I", *chosen))
        for index, child in enumerate(space.one_of.spaces):
            _write(child, chosen.count(index), draw, out)


def _write_box(box: Any, n: int, draw: random.Random, out: list[bytes]) -> None:
    size = ITEM_BYTES[box.dtype]
    elements = math.prod(box.shape)
    low, high = (_bound(bound, size, elements) for bound in (box.low, box.high))
    written = [_between(box.dtype, low, high, i, size, draw) for i in range(elements)]
    out.append(b"".join(written) * n)


def _bound(bound: Any, size: int, elements: int) -> bytes:
    return bytes(bound.elementwise or bound.uniform * elements)


def _between(dtype: int, low: bytes, high: bytes, at: int, size: int, draw: random.Random) -> bytes:
    """Return an element within its bounds: one of the bounds, or 0 if that is between them."""
    part = slice(at * size, at * size + size)
    ends = [element_of(dtype, bound[part]) for bound in (low, high)]
    if ends[0] <= 0 <= ends[1]:
        return bytes(size)
    if is_float(dtype) and math.isinf(ends[0]):
        return high[part]
    return low[part] if draw.random() < 0.5 or math.isinf(ends[1]) else high[part]


def _write_discrete(space: Any, n: int, draw: random.Random, out: list[bytes]) -> None:
    first = element_of(space.dtype, space.start) if space.start else 0
    chosen = [first + draw.randrange(min(space.n, 1 << 62)) for _ in range(n)]
    out.append(elements_of(space.dtype, chosen))


def _write_multi_discrete(space: Any, n: int, draw: random.Random, out: list[bytes]) -> None:
    counts, starts = multi_discrete_ranges(space)
    chosen = [s + draw.randrange(c) for _ in range(n) for s, c in zip(starts, counts)]
    out.append(elements_of(space.dtype, chosen))


def multi_discrete_ranges(space: Any) -> tuple[list[int], list[int]]:
    """Return the counts and the starts of a MultiDiscrete, element by element."""
    size = ITEM_BYTES[space.dtype]
    parts = range(0, len(space.nvec), size)
    start = space.start or bytes(len(space.nvec))
    counts = [int(element_of(space.dtype, space.nvec[i : i + size])) for i in parts]
    return counts, [int(element_of(space.dtype, start[i : i + size])) for i in parts]


def _write_multi_binary(space: Any, n: int, draw: random.Random, out: list[bytes]) -> None:
    out.append(bytes(draw.randrange(2) for _ in range(n * math.prod(space.shape))))


def _write_text(space: Any, n: int, draw: random.Random, out: list[bytes]) -> None:
    most = min(space.max_length, space.min_length + 4)
    texts = [
        "".join(draw.choices(space.charset, k=draw.randint(space.min_length, most))).encode()
        for _ in range(n)
    ]
    out.append(struct.pack(f"<{n}I", *map(len, texts)))
    out.append(b"".join(texts))


def _write_graph(space: Any, n: int, draw: random.Random, out: list[bytes]) -> None:
    has_edges = space.HasField("edge_space")
    nodes = [draw.randint(1, 3) for _ in range(n)]
    # Without an edge space every edge count is 0 (V-10).
    edges = [draw.randrange(3) if has_edges else 0 for _ in range(n)]
    flags = 3 if has_edges else 0
    links = [draw.randrange(nodes[i]) for i in range(n) for _ in range(2 * edges[i])]
    out.append(bytes([flags] * n))
    out.append(struct.pack(f"<{n}I", *nodes))
    out.append(struct.pack(f"<{n}I", *edges))
    out.append(struct.pack(f"<{len(links)}i", *links))
    _write(space.node_space, sum(nodes), draw, out)
    if has_edges:
        _write(space.edge_space, sum(edges), draw, out)


_LEAVES: dict[str, Any] = {
    "box": _write_box,
    "discrete": _write_discrete,
    "multi_discrete": _write_multi_discrete,
    "multi_binary": _write_multi_binary,
    "text": _write_text,
}


def count_slabs(space: Any) -> int:
    """Return the number of slabs of a space (V-3)."""
    kind = str(space.WhichOneof("kind"))
    part = getattr(space, kind)
    if kind == "dict":
        return sum(count_slabs(entry.space) for entry in part.entries)
    if kind in ("tuple", "one_of"):
        within = sum(count_slabs(child) for child in part.spaces)
        return within + (kind == "one_of")
    if kind == "sequence":
        return 1 + count_slabs(space.sequence.space)
    if kind == "graph":
        edges = count_slabs(space.graph.edge_space) if space.graph.HasField("edge_space") else 0
        return 4 + count_slabs(space.graph.node_space) + edges
    return 2 if kind == "text" else 1


def leaves(space: Any) -> list[tuple[str, int, Any]]:
    """Return kind, index of the first slab and space of each part that every value has.

    Parts inside of a Sequence, Graph or OneOf are left out: a value may have none of them.
    """
    found: list[tuple[str, int, Any]] = []

    def visit(part: Any, at: int) -> None:
        kind = part.WhichOneof("kind")
        if kind == "dict" or kind == "tuple":
            entries = part.dict.entries if kind == "dict" else part.tuple.spaces
            for entry in entries:
                child = entry.space if kind == "dict" else entry
                visit(child, at)
                at += count_slabs(child)
        else:
            found.append((kind, at, getattr(part, kind)))

    visit(space, 0)
    return found
