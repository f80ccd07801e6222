"""Rules of spaces (§11), checked on a `Space` of a contract or spec."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from rlmesh._conformance.elements import ITEM_BYTES, element_of, is_float, range_of
from rlmesh._conformance.slabs import count_slabs

__all__ = ["Problem", "space_problems"]

Problem = tuple[str, str, str]
"""A rule that is broken, the path, and words."""

MAX_DEPTH = 24
MAX_NAME_BYTES = 65_536
MAX_EXTENT = 2**63 - 1


def space_problems(space: Any, path: str = "", depth: int = 1) -> Iterator[Problem]:
    """Yield the rules that a space breaks, the ones of its parts included."""
    if depth > MAX_DEPTH:
        yield "S-2", path, f"deeper than {MAX_DEPTH}"
        return
    kind = space.WhichOneof("kind")
    if kind is None:
        yield "S-1", path, "no kind"
        return
    part = getattr(space, kind)
    if "shape" in part.DESCRIPTOR.fields_by_name:
        yield from _extents(part, path)
    yield from _KINDS[kind](part, path) if kind in _KINDS else ()
    for step, child in _children(kind, part):
        yield from space_problems(child, path + step, depth + 1)


def _children(kind: str, part: Any) -> Iterator[tuple[str, Any]]:
    if kind == "dict":
        for entry in part.entries:
            key = repr(entry.name) if entry.WhichOneof("key") == "name" else entry.index
            yield f"[{key}]", entry.space
    elif kind in ("tuple", "one_of"):
        for position, child in enumerate(part.spaces):
            yield f"[{position}]", child
    elif kind == "sequence":
        if part.HasField("space"):
            yield "[]", part.space
    elif kind == "graph":
        for name in ("node_space", "edge_space"):
            if part.HasField(name):
                yield f".{name}", getattr(part, name)


def _extents(part: Any, path: str) -> Iterator[Problem]:
    size = ITEM_BYTES.get(getattr(part, "dtype", 0), 1)
    if any(e > MAX_EXTENT for e in (*part.shape, math.prod(filter(None, part.shape)) * size)):
        yield "M-6", path, "an extent, or the product of those other than 0, is 2^63 or more"


def _dtype(dtype: int, path: str) -> Iterator[Problem]:
    if dtype not in ITEM_BYTES:
        yield "S-3", path, f"dtype {dtype}"


def _box(box: Any, path: str) -> Iterator[Problem]:
    if box.dtype not in ITEM_BYTES:
        yield from _dtype(box.dtype, path)
        return
    size, elements = ITEM_BYTES[box.dtype], math.prod(box.shape)
    ends = []
    for name in ("low", "high"):
        bound = getattr(box, name)
        form = bound.WhichOneof("form")
        wanted = size if form == "uniform" else elements * size
        if form is None or len(getattr(bound, form)) != wanted:
            yield "S-5", path, f"{name} is absent or has another size than {wanted} bytes"
            continue
        # An elementwise bound of equal elements may be long; each is looked at once.
        data = getattr(bound, form)
        ends.append([element_of(box.dtype, data[i : i + size]) for i in range(0, len(data), size)])
        yield from _marks(box, bound, elements, name, path)
    if len(ends) == 2:
        low, high = (end * elements if len(end) == 1 else end for end in ends)
        yield from _order(box.dtype, low, high, path)


def _order(dtype: int, low: list[float], high: list[float], path: str) -> Iterator[Problem]:
    if any(not a <= b for a, b in zip(low, high)):
        yield "S-6", path, "low is above high, or one is NaN"
    if dtype == 1 and any(not 0 <= end <= 1 for end in [*low, *high]):
        yield "S-6", path, "a bound of BOOL is neither 0 nor 1"


def _marks(box: Any, bound: Any, elements: int, name: str, path: str) -> Iterator[Problem]:
    marks = bound.unbounded
    if not marks:
        return
    if is_float(box.dtype) or box.dtype == 1 or any(mark > 1 for mark in marks):
        yield "S-16", path, "marks of a float or BOOL, or other bytes than 0 and 1"
        return
    if len(marks) not in (1, elements) or (len(marks) == 1 and marks != b"\1" and elements != 1):
        yield "S-16", path, f"{len(marks)} marks of {elements} elements"
        return
    size = ITEM_BYTES[box.dtype]
    end = range_of(box.dtype)[name == "high"]
    data = bound.elementwise or bound.uniform * elements
    for i in range(elements):
        marked = marks[i] if len(marks) > 1 else marks[0]
        if marked and element_of(box.dtype, data[i * size : i * size + size]) != end:
            yield "S-16", path, f"a marked element of {name} is not {end}"
            return


def _integer_dtype(dtype: int, rule: str, path: str) -> Iterator[Problem]:
    if dtype not in ITEM_BYTES:
        yield from _dtype(dtype, path)
    elif not 2 <= dtype <= 9:
        yield rule, path, f"dtype {dtype} is no integer"


def _discrete(space: Any, path: str) -> Iterator[Problem]:
    found = list(_integer_dtype(space.dtype, "S-7", path))
    yield from found
    if found:
        return
    size = ITEM_BYTES[space.dtype]
    if space.n < 1 or len(space.start) not in (0, size):
        yield "S-7", path, f"n {space.n}, start of {len(space.start)} bytes"
        return
    start = int(element_of(space.dtype, space.start)) if space.start else 0
    if start + space.n - 1 > range_of(space.dtype)[1]:
        yield "S-7", path, f"start {start} and n {space.n} are more than the dtype holds"


def _multi_discrete(space: Any, path: str) -> Iterator[Problem]:
    found = list(_integer_dtype(space.dtype, "S-9", path))
    yield from found
    if found:
        return
    size = ITEM_BYTES[space.dtype]
    whole = math.prod(space.shape) * size
    if len(space.nvec) != whole or len(space.start) not in (0, whole):
        yield "S-9", path, f"nvec of {len(space.nvec)} and start of {len(space.start)} bytes"
        return
    start = space.start or bytes(whole)
    for i in range(0, whole, size):
        count, first = (int(element_of(space.dtype, d[i : i + size])) for d in (space.nvec, start))
        if count < 1 or first + count - 1 > range_of(space.dtype)[1]:
            yield "S-9", path, f"an element with n {count} and start {first}"
            return


def _multi_binary(space: Any, path: str) -> Iterator[Problem]:
    if not space.shape or (space.flat and len(space.shape) != 1):
        yield "S-8", path, f"{len(space.shape)} dimensions, flat {space.flat}"


def _text(space: Any, path: str) -> Iterator[Problem]:
    distinct = len(set(space.charset)) == len(space.charset)
    if space.min_length > space.max_length or not space.charset or not distinct:
        yield "S-10", path, "min_length above max_length, or a charset without distinct characters"


def _dict(space: Any, path: str) -> Iterator[Problem]:
    keys = [(entry.WhichOneof("key"), entry.name, entry.index) for entry in space.entries]
    whole = all(kind and entry.HasField("space") for (kind, *_), entry in zip(keys, space.entries))
    if not whole or len(set(keys)) != len(keys):
        yield "S-11", path, "an entry without key or space, or two with one key"


def _sequence(space: Any, path: str) -> Iterator[Problem]:
    if not space.HasField("space"):
        yield "S-12", path, "no space"


def _graph(space: Any, path: str) -> Iterator[Problem]:
    if not space.HasField("node_space"):
        yield "S-13", path, "no node_space"
        return
    for name in ("node_space", "edge_space"):
        part = getattr(space, name)
        if space.HasField(name) and part.WhichOneof("kind") and not count_slabs(part):
            yield "S-13", path, f"{name} has no slab"


def _one_of(space: Any, path: str) -> Iterator[Problem]:
    if not space.spaces:
        yield "S-14", path, "no alternative"


_KINDS: dict[str, Callable[[Any, str], Iterator[Problem]]] = {
    "box": _box,
    "discrete": _discrete,
    "multi_discrete": _multi_discrete,
    "multi_binary": _multi_binary,
    "text": _text,
    "dict": _dict,
    "sequence": _sequence,
    "graph": _graph,
    "one_of": _one_of,
}
