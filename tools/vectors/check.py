"""The rules of spaces, one function for each family, from CONTRACT.md §11 and space.proto."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rlmesh_proto.spaces.v1 import space_pb2

from .elements import ELEMENTS, INTEGERS, NAMES, count, limits, unpack
from .rejected import LEAF_BYTES, Rejected, check_extents, step

__all__ = ["DEPTH", "check"]

Space = space_pb2.Space
DEPTH = 24
DIMENSIONS = 31


def check(space: Space, path: str = "", level: int = 1) -> None:
    """Check a space and everything in it.

    Raises:
        Rejected: At the first rule that is broken.
    """
    if level > DEPTH:
        raise Rejected("MALFORMED", path, f"nested more than {DEPTH} levels")
    kind = space.WhichOneof("kind")
    if kind is None:
        raise Rejected("UNSUPPORTED", path, "a space without a kind that is known")
    _FAMILIES[kind](space, path, level)


def _dtype(number: int, path: str) -> str:
    if number == 0:
        raise Rejected("MALFORMED", path, "no dtype")
    if number not in NAMES:
        raise Rejected("UNSUPPORTED", path, f"unknown dtype {number}")
    return NAMES[number]


def _integer(number: int, path: str) -> str:
    name = _dtype(number, path)
    if name not in INTEGERS:
        raise Rejected("MALFORMED", path, f"expected an integer type, got {name}")
    return name


def _slab(data: bytes, dtype: str, elements: int, path: str) -> list[float]:
    """Decode a slab, after checking its size and its bools."""
    expected = elements * ELEMENTS[dtype].size
    if len(data) != expected:
        raise Rejected("MALFORMED", path, f"expected {expected} bytes, got {len(data)}")
    if dtype == "bool" and any(byte > 1 for byte in data):
        raise Rejected("MALFORMED", path, "a bool that is neither 0 nor 1")
    return unpack(dtype, data)


def _extents(shape: Sequence[int], size: int, path: str) -> int:
    """Return the number of elements, after checking the limits of shape and leaf size."""
    check_extents(shape, size, DIMENSIONS, path)
    elements = count(shape)
    if elements * size > LEAF_BYTES:
        raise Rejected("LIMIT_EXCEEDED", path, f"a leaf of {elements * size} bytes")
    return elements


def _box(space: Space, path: str, level: int) -> None:
    box = space.box
    dtype = _dtype(box.dtype, path)
    elements = _extents(box.shape, ELEMENTS[dtype].size, path)
    sides: list[list[float]] = []
    for name in ("low", "high"):
        bounds: space_pb2.Bounds = getattr(box, name)
        form = bounds.WhichOneof("form")
        if form is None:
            raise Rejected("MALFORMED", path, f"no {name}")
        length = 1 if form == "uniform" else elements
        sides.append(_slab(getattr(bounds, form), dtype, length, path))
        if any(x != x for x in sides[-1]):
            raise Rejected("MALFORMED", path, f"{name} is NaN")
        _unbounded(bounds, sides[-1], elements, dtype, name, path)
    low, high = sides
    for at in range(max(len(low), len(high)) if elements else 0):
        if low[at % len(low)] > high[at % len(high)]:
            raise Rejected("MALFORMED", path, f"low above high at element {at}")


def _unbounded(
    bounds: space_pb2.Bounds, values: list[float], elements: int, dtype: str, name: str, path: str
) -> None:
    mask = bounds.unbounded
    if not mask:
        return
    if dtype == "bool" or "float" in dtype:
        raise Rejected("MALFORMED", path, f"marks of a {dtype} box")
    if mask != b"\x01" and (len(mask) != elements or max(mask, default=0) > 1):
        raise Rejected("MALFORMED", path, f"marks {mask!r} of {elements} elements")
    limit = limits(dtype)[name == "high"]
    for at in range(elements):
        if mask[at % len(mask)] and values[at % len(values)] != limit:
            raise Rejected("MALFORMED", path, f"{name} is marked but {values[at % len(values)]}")


def _discrete(space: Space, path: str, level: int) -> None:
    dtype = _integer(space.discrete.dtype, path)
    start = 0
    if space.discrete.start:
        start = int(_slab(space.discrete.start, dtype, 1, path)[0])
    if space.discrete.n < 1:
        raise Rejected("MALFORMED", path, "n is 0")
    if start + space.discrete.n - 1 > limits(dtype)[1]:
        raise Rejected("MALFORMED", path, f"the last element is not a {dtype}")


def _multi_binary(space: Space, path: str, level: int) -> None:
    shape = space.multi_binary.shape
    _extents(shape, 1, path)
    if not shape:
        raise Rejected("MALFORMED", path, "no dimension")
    if space.multi_binary.flat and len(shape) != 1:
        raise Rejected("MALFORMED", path, f"flat with {len(shape)} dimensions")


def _multi_discrete(space: Space, path: str, level: int) -> None:
    many = space.multi_discrete
    dtype = _integer(many.dtype, path)
    elements = _extents(many.shape, ELEMENTS[dtype].size, path)
    nvec = _slab(many.nvec, dtype, elements, path)
    start = _slab(many.start, dtype, elements, path) if many.start else [0] * len(nvec)
    for n, first in zip(nvec, start):
        if n < 1:
            raise Rejected("MALFORMED", path, f"a number of choices of {n}")
        if first + n - 1 > limits(dtype)[1]:
            raise Rejected("MALFORMED", path, f"the last choice is not a {dtype}")


def _text(space: Space, path: str, level: int) -> None:
    text = space.text
    if text.min_length > text.max_length:
        raise Rejected("MALFORMED", path, "min_length above max_length")
    if not text.charset:
        raise Rejected("MALFORMED", path, "an empty charset")
    if len(set(text.charset)) != len(text.charset):
        raise Rejected("MALFORMED", path, "a character twice in the charset")


def _dict(space: Space, path: str, level: int) -> None:
    seen: list[str | int] = []
    for entry in space.dict.entries:
        which = entry.WhichOneof("key")
        if which is None:
            raise Rejected("MALFORMED", path, "an entry without a key")
        key: str | int = entry.name if which == "name" else entry.index
        if key in seen:
            raise Rejected("MALFORMED", path, f"the key {key!r} twice")
        seen.append(key)
        if not entry.HasField("space"):
            raise Rejected("MALFORMED", path + step(key), "an entry without a space")
        check(entry.space, path + step(key), level + 1)


def _tuple(space: Space, path: str, level: int) -> None:
    for at, child in enumerate(space.tuple.spaces):
        check(child, path + step(at), level + 1)


def _sequence(space: Space, path: str, level: int) -> None:
    if not space.sequence.HasField("space"):
        raise Rejected("MALFORMED", path, "a sequence without a space")
    check(space.sequence.space, path, level + 1)


def _graph(space: Space, path: str, level: int) -> None:
    graph = space.graph
    if not graph.HasField("node_space"):
        raise Rejected("MALFORMED", path, "a graph without a node space")
    children = [(graph.node_space, path + ".nodes")]
    if graph.HasField("edge_space"):
        children.append((graph.edge_space, path + ".edges"))
    for child, at in children:
        check(child, at, level + 1)
        if _is_slabless(child):
            raise Rejected("MALFORMED", at, "features without a slab")


def _is_slabless(space: Space) -> bool:
    kind = space.WhichOneof("kind")
    if kind == "dict":
        return all(_is_slabless(entry.space) for entry in space.dict.entries)
    return kind == "tuple" and all(map(_is_slabless, space.tuple.spaces))


def _one_of(space: Space, path: str, level: int) -> None:
    if not space.one_of.spaces:
        raise Rejected("MALFORMED", path, "no alternative")
    for at, child in enumerate(space.one_of.spaces):
        check(child, path + step(at), level + 1)


_FAMILIES: dict[str, Callable[[Space, str, int], None]] = {
    "box": _box,
    "discrete": _discrete,
    "multi_binary": _multi_binary,
    "multi_discrete": _multi_discrete,
    "text": _text,
    "dict": _dict,
    "tuple": _tuple,
    "sequence": _sequence,
    "graph": _graph,
    "one_of": _one_of,
}
