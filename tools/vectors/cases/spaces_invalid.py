"""Spaces that are refused."""

from __future__ import annotations

from collections.abc import Sequence

from rlmesh_proto.spaces.v1 import space_pb2

from ..declare import BadSpace
from ..elements import Bits, Number, pack
from ..spaces import (
    box,
    dict_,
    discrete,
    enum,
    graph,
    multi_binary,
    multi_discrete,
    one_of,
    sequence,
    text,
    tuple_,
)
from .spaces_nested import UNIT, deep

__all__ = ["BOXES", "INTEGRAL", "NESTED", "TEXTS"]

Space = space_pb2.Space
NAN = Bits(0x7FC00000)
NAUGHT = b"\x00\x00\x00\x00"


def _box(shape: Sequence[int], low: bytes | None, high: bytes | None, dtype: int = 12) -> Space:
    """Return a Box with elementwise bounds of any bytes; None leaves the bounds out."""
    made = space_pb2.Box(shape=shape)
    made.dtype = dtype  # type: ignore[assignment]
    if low is not None:
        made.low.elementwise = low
    if high is not None:
        made.high.elementwise = high
    return Space(box=made)


def _uniform(dtype: str, shape: Sequence[int], low: bytes, high: bytes) -> Space:
    """Return a Box with uniform bounds of any bytes."""
    bounds = [space_pb2.Bounds(uniform=data) for data in (low, high)]
    made = space_pb2.Box(dtype=enum(dtype), shape=shape, low=bounds[0], high=bounds[1])
    return Space(box=made)


def _sides(name: str, dtype: str, low: list[Number], high: list[Number], rule: str) -> BadSpace:
    return BadSpace(f"box/{name}", box(dtype, [len(low)], low, high), rule)


def _box_bounds() -> list[BadSpace]:
    top, one = 2**63 - 1, pack("float32", [1.0])
    empty = space_pb2.Space(
        box=space_pb2.Box(
            dtype=enum("int8"), low=space_pb2.Bounds(), high=space_pb2.Bounds(uniform=b"\x01")
        )
    )
    return [
        BadSpace("box/no-low", _box([1], None, one), "S-5 form"),
        BadSpace("box/no-high", _box([1], one, None), "S-5 form"),
        BadSpace("box/low-without-form", empty, "S-5 form"),
        BadSpace("box/bounds-too-short", _box([2], one, one), "S-5 size"),
        BadSpace("box/bounds-too-long", _box([1], one * 2, one * 2), "S-5 size"),
        BadSpace("box/bounds-not-whole-elements", _box([1], one + b"\x00", one), "S-5 size"),
        BadSpace("box/elementwise-of-zero-size-not-empty", _box([0], one, b""), "S-5 size"),
        BadSpace("box/elementwise-0-d-empty", _box([], b"", b""), "S-5 size"),
        BadSpace("box/uniform-empty", _uniform("int8", [2], b"", b"\x01"), "S-5 size"),
        BadSpace("box/uniform-of-two", _uniform("int8", [2], b"\x00\x00", b"\x01"), "S-5 size"),
        BadSpace(
            "box/uniform-of-wrong-size-zero-size-box",
            _uniform("int16", [0], b"\x00", b"\x01\x00"),
            "S-5 size",
        ),
        _sides("low-above-high", "float32", [1.0], [-1.0], "S-6 order"),
        _sides(
            "low-above-high-in-the-last-element", "float32", [0.0, 0.0, 2.0], [1.0] * 3, "S-6 order"
        ),
        _sides("low-above-high-int64-by-one", "int64", [top], [top - 1], "S-6 order"),
        _sides("low-above-high-uint64", "uint64", [2**63], [2**63 - 1], "S-6 order"),
        _sides("low-above-high-int8-signed", "int8", [1], [-1], "S-6 order"),
        _sides("low-above-high-float64-by-one-bit", "float64", [1.0 + 2**-52], [1.0], "S-6 order"),
        _sides("low-inf-high-finite", "float16", [float("inf")], [1.0], "S-6 order"),
        _sides("low-above-high-bfloat16", "bfloat16", [Bits(0x3F81)], [Bits(0x3F80)], "S-6 order"),
        _sides("low-nan", "float32", [NAN], [1.0], "S-6 nan"),
        _sides("high-nan-in-one-element", "float32", [0.0, 0.0], [1.0, NAN], "S-6 nan"),
        _sides("low-nan-bfloat16", "bfloat16", [Bits(0x7FC0)], [1.0], "S-6 nan"),
        BadSpace("box/bool-bound-2", _uniform("bool", [1], b"\x00", b"\x02"), "S-6 bool"),
    ]


def _box_shapes() -> list[BadSpace]:
    return [
        BadSpace("box/dtype-unspecified", _box([1], NAUGHT, NAUGHT, 0), "S-3 none"),
        BadSpace("box/dtype-unknown", _box([1], NAUGHT, NAUGHT, 14), "S-3 unknown"),
        BadSpace("box/product-wraps-to-0", _box([2**32, 2**32], b"", b""), "M-6"),
        BadSpace(
            "box/product-wraps-to-1",
            _uniform("int8", [2**63 + 1, 2**63 + 1], b"\x00", b"\x01"),
            "M-6",
        ),
        BadSpace("box/bytes-wrap-to-0", _box([2**62], b"", b""), "M-6"),
        BadSpace("box/extent-2^64-1", _uniform("uint8", [2**64 - 1], b"\x00", b"\x01"), "M-6"),
        BadSpace("box/huge-extents-beside-0", _box([2**40, 2**40, 0], b"", b""), "M-6"),
        BadSpace(
            "box/huge-uniform", _uniform("uint8", [2**40], b"\x00", b"\xff"), "M-1 leaf bytes"
        ),
        BadSpace(
            "box/32-dimensions", _uniform("int8", [1] * 32, b"\x00", b"\x01"), "M-1 leaf dimensions"
        ),
    ]


def _raw_discrete(n: int, start: bytes = b"", dtype: int = 5) -> Space:
    made = space_pb2.Discrete(n=n, start=start)
    made.dtype = dtype  # type: ignore[assignment]
    return Space(discrete=made)


def _discretes() -> list[BadSpace]:
    return [
        BadSpace("discrete/n-0", _raw_discrete(0), "S-7 n"),
        BadSpace("discrete/n-0-with-start", discrete(0, 5), "S-7 n"),
        BadSpace("discrete/int8-overflow", discrete(2, 127, "int8"), "S-7 last"),
        BadSpace("discrete/int8-n-257", discrete(257, -128, "int8"), "S-7 last"),
        BadSpace("discrete/int64-overflow", discrete(2, 2**63 - 1), "S-7 last"),
        BadSpace("discrete/int64-n-2^64-1-from-0", discrete(2**64 - 1), "S-7 last"),
        BadSpace("discrete/uint64-overflow-wraps", discrete(2**64 - 1, 2, "uint64"), "S-7 last"),
        BadSpace("discrete/start-too-short", _raw_discrete(2, b"\x01"), "S-7 start"),
        BadSpace("discrete/start-too-long", _raw_discrete(2, b"\x00" * 9), "S-7 start"),
        BadSpace("discrete/float32", _raw_discrete(2, dtype=12), "S-7 dtype"),
        BadSpace("discrete/bool", _raw_discrete(2, dtype=1), "S-7 dtype"),
        BadSpace("discrete/dtype-unspecified", _raw_discrete(2, dtype=0), "S-3 none"),
        BadSpace("discrete/dtype-unknown", _raw_discrete(2, dtype=99), "S-3 unknown"),
    ]


def _raw_many(shape: list[int], nvec: bytes, start: bytes = b"", dtype: str = "int64") -> Space:
    made = space_pb2.MultiDiscrete(dtype=enum(dtype), shape=shape, nvec=nvec, start=start)
    return Space(multi_discrete=made)


def _many() -> list[BadSpace]:
    two = pack("int64", [2, 2])
    return [
        BadSpace("multi_binary/no-dimension", multi_binary([]), "S-8 dimensions"),
        BadSpace("multi_binary/flat-2-d", multi_binary([2, 2], flat=True), "S-8 flat"),
        BadSpace("multi_binary/product-wraps", multi_binary([2**32, 2**32]), "M-6"),
        BadSpace("multi_discrete/choices-0", multi_discrete([2], [2, 0]), "S-9 nvec"),
        BadSpace("multi_discrete/choices-negative", multi_discrete([2], [2, -1]), "S-9 nvec"),
        BadSpace("multi_discrete/nvec-missing", _raw_many([2], b""), "S-9 size"),
        BadSpace("multi_discrete/nvec-too-long", _raw_many([1], two), "S-9 size"),
        BadSpace("multi_discrete/start-too-short", _raw_many([2], two, two[:8]), "S-9 size"),
        BadSpace("multi_discrete/product-wraps-to-0", _raw_many([2**32, 2**32], b""), "M-6"),
        BadSpace(
            "multi_discrete/overflow-in-one-element",
            multi_discrete([2], [2, 2], [0, 127], "int8"),
            "S-9 last",
        ),
        BadSpace(
            "multi_discrete/int64-overflow", multi_discrete([1], [2], [2**63 - 1]), "S-9 last"
        ),
        BadSpace(
            "multi_discrete/float64",
            _raw_many([1], pack("float64", [2.0]), dtype="float64"),
            "S-9 dtype",
        ),
        BadSpace("multi_discrete/bool", _raw_many([1], b"\x01", dtype="bool"), "S-9 dtype"),
    ]


def _texts() -> list[BadSpace]:
    return [
        BadSpace("text/min-above-max", text("ab", 3, 2), "S-10 lengths"),
        BadSpace("text/empty-charset", text("", 0, 5), "S-10 empty"),
        BadSpace("text/empty-charset-empty-text", text("", 0, 0), "S-10 empty"),
        BadSpace("text/character-twice", text("aba", 0, 5), "S-10 distinct"),
        BadSpace("text/astral-twice", text("😀a😀", 0, 5), "S-10 distinct"),
    ]


def _entry(name: str | None, space: Space | None) -> Space:
    made = space_pb2.Dict()
    made.entries.add(name=name, space=space)
    return Space(dict=made)


def _nested() -> list[BadSpace]:
    two = discrete(2)
    cases = [
        BadSpace("space/no-kind", Space(), "S-1"),
        BadSpace("tuple/child-without-kind", tuple_(two, Space()), "S-1"),
        BadSpace("dict/child-without-kind", dict_(("a", two), ("it's", Space())), "S-1"),
        BadSpace("dict/duplicate-name", dict_(("a", two), ("a", UNIT)), "S-11 distinct"),
        BadSpace("dict/duplicate-index", dict_((1, two), ("1", two), (1, two)), "S-11 distinct"),
        BadSpace("dict/duplicate-empty-name", dict_(("", two), ("", two)), "S-11 distinct"),
        BadSpace("dict/entry-without-key", _entry(None, two), "S-11 key"),
        BadSpace("dict/entry-without-space", _entry("a", None), "S-11 space"),
        BadSpace("dict/bad-leaf-inside", dict_(("a", tuple_(two, discrete(0)))), "S-7 n"),
        BadSpace(
            "sequence/of-sequence-without-space",
            sequence(Space(sequence=space_pb2.Sequence())),
            "S-12",
        ),
        BadSpace("sequence/without-space", Space(sequence=space_pb2.Sequence()), "S-12"),
        BadSpace(
            "graph/without-node-space", Space(graph=space_pb2.Graph(edge_space=two)), "S-13 nodes"
        ),
        BadSpace("graph/empty-dict-nodes", graph(dict_()), "S-13 slab"),
        BadSpace("graph/empty-tuple-edges", graph(two, tuple_()), "S-13 slab"),
        BadSpace(
            "graph/nested-slabless-nodes", graph(tuple_(dict_(), tuple_(tuple_()))), "S-13 slab"
        ),
        BadSpace("graph/bad-leaf-in-nodes", graph(dict_(("a", discrete(0)))), "S-7 n"),
        BadSpace("graph/bad-edge-space", graph(two, discrete(0)), "S-7 n"),
        BadSpace("one_of/no-alternative", one_of(), "S-14"),
        BadSpace("one_of/bad-alternative", one_of(two, text("", 0, 1)), "S-10 empty"),
        BadSpace("nested/25-levels-ending-empty", deep("tuple", 25, tuple_()), "S-2"),
        BadSpace("nested/25-levels-to-graph", deep("sequence", 24, graph(two)), "S-2"),
    ]
    for name in ("dict", "tuple", "sequence", "one_of"):
        cases.append(BadSpace(f"nested/25-levels-of-{name}", deep(name, 25), "S-2"))
    return cases


def _box_marks() -> list[BadSpace]:
    def marked(
        name: str, dtype: str, mask: bytes, low: Number, high: Number, rule: str
    ) -> BadSpace:
        made = box(dtype, [2], low, high)
        made.box.low.unbounded = mask
        return BadSpace(f"box/marks-{name}", made, rule)

    above = box("int8", [2], -128, [126, 127])
    above.box.high.unbounded = b"\x01"
    return [
        marked("of-floats", "float32", b"\x01", float("-inf"), 0.0, "S-16 dtype"),
        marked("of-bools", "bool", b"\x01", 0, 1, "S-16 dtype"),
        marked("too-many", "int8", b"\x01\x01\x01", -128, 0, "S-16 size"),
        marked("of-2", "int8", b"\x01\x02", -128, 0, "S-16 size"),
        marked("one-byte-0", "int8", b"\x00", -128, 0, "S-16 size"),
        marked("away-from-the-limit", "int16", b"\x00\x01", -(2**15) + 1, 0, "S-16 limit"),
        BadSpace("box/marks-above-below-the-limit", above, "S-16 limit"),
    ]


BOXES = [*_box_bounds(), *_box_shapes(), *_box_marks()]
INTEGRAL = [*_discretes(), *_many()]
TEXTS = _texts()
NESTED = _nested()
