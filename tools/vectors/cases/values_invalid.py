"""Slabs that are refused for their space. V-14: the check is part of every validation level."""

from __future__ import annotations

import struct

from ..declare import BadValue
from ..elements import pack
from ..spaces import (
    Space,
    box,
    dict_,
    discrete,
    graph,
    multi_binary,
    multi_discrete,
    one_of,
    sequence,
    text,
    tuple_,
)
from .spaces_nested import UNIT

__all__ = ["LEAVES", "NESTED", "SIZES"]

TOP = 2**32 - 1


def u32(*numbers: int) -> bytes:
    """Return uint32 numbers as bytes."""
    return b"".join(struct.pack("<I", number) for number in numbers)


def i32(*numbers: int) -> bytes:
    """Return int32 numbers as bytes."""
    return b"".join(struct.pack("<i", number) for number in numbers)


def _case(
    name: str, space: Space, slabs: list[bytes], rule: str, batch: int | None = None
) -> BadValue:
    return BadValue(name, space, tuple(slabs), rule, batch)


def _sizes() -> list[BadValue]:
    one = pack("float32", [0.5, 0.5])
    return [
        _case("box/truncated", UNIT, [one[:7]], "V-4"),
        _case("box/one-byte-more", UNIT, [one + b"\x00"], "V-4"),
        _case("box/empty-slab", UNIT, [b""], "V-4"),
        _case("box/no-slab", UNIT, [], "V-3"),
        _case("box/extra-slab", UNIT, [one, one], "V-3"),
        _case("box/extra-empty-slab", UNIT, [one, b""], "V-3"),
        _case("box/one-value-with-two", UNIT, [one * 2], "V-4"),
        _case("box/batch-of-2-with-one", UNIT, [one], "V-4", 2),
        _case("box/batch-of-1-with-two", UNIT, [one * 2], "V-4", 1),
        _case("box/batch-of-0-with-one", UNIT, [one], "V-4", 0),
        _case("box/batch-of-0-without-slab", UNIT, [], "V-3", 0),
        _case("box/one-slab-each-value", UNIT, [one, one], "V-4", 2),
        _case("box/huge-batch", UNIT, [one], "M-1 values", TOP),
        _case("box/batch-size-wraps", box("uint8", [256], 0, 255), [b""], "V-4", 2**24),
        _case("box/large-shape-tiny-data", box("uint8", [2**14, 2**14], 0, 255), [b"\x00"], "V-4"),
        _case("box/zero-size-not-empty", box("float32", [0], 0.0, 1.0), [b"\x00"], "V-4"),
        _case("box/zero-size-without-slab", box("float32", [0], 0.0, 1.0), [], "V-3"),
        _case("box/zero-size-huge-batch", box("float32", [0], 0.0, 1.0), [b""], "M-4", TOP),
    ]


def _child_sizes() -> list[BadValue]:
    one, zero, two = pack("float32", [0.5, 0.5]), bytes(8), discrete(2)
    pair = dict_(("a", two), ("b", UNIT))
    return [
        _case("discrete/truncated", two, [zero[:7]], "V-4"),
        _case("discrete/wrong-width", two, [zero[:4]], "V-4"),
        _case("multi_binary/truncated", multi_binary([3]), [b"\x00\x01"], "V-4"),
        _case("multi_discrete/truncated", multi_discrete([2], [2, 2]), [zero], "V-4"),
        _case("dict/second-leaf-missing", pair, [zero], "V-3"),
        _case("dict/second-leaf-truncated", pair, [zero, one[:4]], "V-4"),
        _case(
            "dict/leaves-swapped",
            dict_(("a", discrete(2, dtype="int8")), ("b", UNIT)),
            [one, b"\x01"],
            "V-4",
        ),
        _case("dict/empty-with-slab", dict_(), [b""], "V-3"),
        _case("dict/empty-huge-batch", dict_(), [], "M-4", TOP),
        _case("tuple/extra-slab", tuple_(two), [zero, zero], "V-3"),
        _case(
            "tuple/nested-truncated",
            tuple_(two, dict_(("x", tuple_(UNIT)))),
            [zero, one[:1]],
            "V-4",
        ),
    ]


def _numbers() -> list[BadValue]:
    bools = box("bool", [2], 0, 1)
    unsigned = discrete(2**64 - 1, 1, "uint64")
    return [
        _case("box/bool-2", bools, [b"\x00\x02"], "V-7"),
        _case("box/bool-255", bools, [b"\xff\x00"], "V-7"),
        _case("box/bool-2-in-a-batch", bools, [b"\x00\x01\x01\x02"], "V-7", 2),
        _case("multi_binary/2", multi_binary([3]), [b"\x00\x01\x02"], "V-7"),
        _case("multi_binary/minus-1", multi_binary([1], flat=True), [b"\xff"], "V-7"),
        _case("discrete/above", discrete(3), [pack("int64", [3])], "V-8"),
        _case("discrete/below", discrete(3), [pack("int64", [-1])], "V-8"),
        _case("discrete/below-start", discrete(3, 5), [pack("int64", [4])], "V-8"),
        _case("discrete/above-with-start", discrete(3, -5, "int8"), [pack("int8", [-2])], "V-8"),
        _case("discrete/in-a-batch", discrete(3), [pack("int64", [0, 1, 3, 2])], "V-8", 4),
        _case("discrete/int64-min", discrete(2), [pack("int64", [-(2**63)])], "V-8"),
        _case("discrete/uint64-0-below-start", unsigned, [pack("uint64", [0])], "V-8"),
        _case(
            "discrete/uint64-high-bit", discrete(2, 0, "uint64"), [pack("uint64", [2**63])], "V-8"
        ),
        _case(
            "discrete/int64-wide",
            discrete(2**64 - 1, -(2**63)),
            [pack("int64", [2**63 - 1])],
            "V-8",
        ),
    ]


def _many() -> list[BadValue]:
    many = multi_discrete([2], [2, 3], [0, 10], "uint8")
    return [
        _case("multi_discrete/above-in-one", many, [b"\x01\x0d"], "V-8"),
        _case("multi_discrete/below-in-one", many, [b"\x01\x09"], "V-8"),
        _case("multi_discrete/in-a-batch", many, [b"\x01\x0c\x02\x0a"], "V-8", 2),
        _case(
            "multi_discrete/negative", multi_discrete([2], [2, 2]), [pack("int64", [0, -1])], "V-8"
        ),
        _case(
            "dict/discrete-inside",
            dict_(("it's", tuple_(discrete(2)))),
            [pack("int64", [2])],
            "V-8",
        ),
    ]


def _texts() -> list[BadValue]:
    any_text = text("aé😀\u0000\u007f", 0, 99)
    bad = {
        "lone-continuation": b"\x80",
        "truncated": b"\xf0\x9f\x98",
        "never-a-byte": b"a\xff",
        "overlong-nul": b"\xc0\x80",
        "overlong-slash": b"\xe0\x80\xaf",
        "surrogate": b"\xed\xa0\x80",
        "surrogate-pair": b"\xed\xa0\xbd\xed\xb8\x80",
        "beyond-u+10ffff": b"\xf4\x90\x80\x80",
    }
    made = [
        _case(f"text/{name}", any_text, [u32(len(data)), data], "V-9 utf-8")
        for name, data in bad.items()
    ]
    return made + [
        _case(
            "text/character-cut-between-two", any_text, [u32(1, 1), "é".encode()], "V-9 utf-8", 2
        ),
        _case("text/length-above-bytes", any_text, [u32(3), b"aa"], "V-9 lengths"),
        _case("text/length-below-bytes", any_text, [u32(1), b"aa"], "V-9 lengths"),
        _case("text/length-in-characters", any_text, [u32(1), "😀".encode()], "V-9 lengths"),
        _case("text/lengths-overflow", any_text, [u32(TOP, 2), b"a"], "V-9 lengths", 2),
        _case("text/huge-length", any_text, [u32(TOP), b""], "V-9 lengths"),
        _case("text/bytes-missing", any_text, [u32(0)], "V-3"),
        _case("text/lengths-truncated", any_text, [u32(1)[:3], b"a"], "V-4"),
    ]


def _sequences() -> list[BadValue]:
    small, _place = (
        sequence(discrete(10, dtype="int8")),
        "the element slab has the sum of the lengths",
    )
    twice = sequence(sequence(discrete(10, dtype="int8")))
    return [
        _case("sequence/length-above-elements", small, [u32(3), b"\x01\x02"], "V-4"),
        _case("sequence/length-below-elements", small, [u32(1), b"\x01\x02"], "V-4"),
        _case("sequence/lengths-overflow", small, [u32(TOP, 3), b"\x01\x02"], "M-1 values", 2),
        _case("sequence/huge-length", small, [u32(TOP), b""], "M-1 values"),
        _case("sequence/elements-missing", small, [u32(0)], "V-3"),
        _case("sequence/two-lengths-for-one", small, [u32(1, 1), b"\x01\x02"], "V-4"),
        _case("sequence/element-out-of-range", small, [u32(2), b"\x01\x0a"], "V-8"),
        _case("sequence/inner-lengths-too-few", twice, [u32(2), u32(1), b"\x01"], "V-4"),
        _case("sequence/of-nothing-huge", sequence(tuple_()), [u32(TOP)], "M-4"),
        _case(
            "sequence/of-zero-size-huge", sequence(box("int8", [0], 0, 1)), [u32(TOP), b""], "M-4"
        ),
    ]


def _stacks() -> list[BadValue]:
    dicts, tuples = sequence(dict_(), stacked=True), sequence(tuple_(), stacked=True)
    nested = sequence(dict_(("x", tuple_())), stacked=True)
    return [
        _case("sequence/stack-of-an-empty-dict", dicts, [u32(1)], "V-15"),
        _case("sequence/stack-of-an-empty-tuple", tuples, [u32(1)], "V-15"),
        _case("sequence/stack-of-nothing", nested, [u32(7)], "V-15"),
        _case("sequence/stack-of-nothing-in-a-batch", nested, [u32(0, 3)], "V-15", 2),
        _case("sequence/stack-of-nothing-inside", tuple_(nested), [u32(2)], "V-15"),
    ]


def _free() -> list[BadValue]:
    """Return values with one more part without bytes than their bytes allow."""
    nothings, zeros = sequence(dict_()), sequence(tuple_(box("int8", [0], 0, 1)))
    many, none = tuple_(*[discrete(2)] * 100), tuple_(*[dict_()] * 100)
    stacks = sequence(many, stacked=True)
    return [
        _case("sequence/of-nothing-too-many", nothings, [u32(65_553)], "M-8"),
        _case("sequence/of-zero-size-too-many", zeros, [u32(32_777), b""], "M-8"),
        _case(
            "sequence/of-nothing-too-many-together",
            tuple_(nothings, nothings),
            [u32(32_784), u32(32_785)],
            "M-8",
        ),
        _case("sequence/empty-stacks-too-many", stacks, [bytes(4 * 772), *[b""] * 100], "M-8", 772),
        _case("one_of/of-nothing-too-many", one_of(none), [bytes(4 * 772)], "M-8", 772),
    ]


def _graphs() -> list[BadValue]:
    """Return a good graph with one slab replaced."""
    space = graph(discrete(4, dtype="int8"), discrete(4, dtype="uint8"))
    good = [b"\x03", u32(2), u32(1), i32(0, 1), b"\x00\x01", b"\x02"]

    def but(at: int, slab: bytes) -> list[bytes]:
        return [*good[:at], slab, *good[at + 1 :]]

    return [
        _case("graph/flag-bit-2", space, but(0, b"\x07"), "V-10 bits"),
        _case("graph/flag-bit-7", space, but(0, b"\x83"), "V-10 bits"),
        _case("graph/edge-slab-missing", space, good[:5], "V-3"),
        _case("graph/end-beyond-nodes", space, but(3, i32(0, 2)), "V-11"),
        _case("graph/end-negative", space, but(3, i32(-1, 0)), "V-11"),
        _case("graph/end-int32-max", space, but(3, i32(2**31 - 1, 0)), "V-11"),
        _case("graph/links-truncated", space, but(3, i32(0)), "V-10 links"),
        _case("graph/links-for-two", space, but(3, i32(0, 1, 1, 0)), "V-10 links"),
        _case("graph/features-for-two", space, but(5, b"\x00\x00"), "V-10 features"),
        _case("graph/nodes-truncated", space, but(4, b"\x00"), "V-4"),
        _case("graph/node-out-of-range", space, but(4, b"\x00\x04"), "V-8"),
        _case("graph/edge-out-of-range", space, but(5, b"\x04"), "V-8"),
        _case("graph/node-counts-truncated", space, but(1, u32(2)[:2]), "V-4"),
        _case("graph/huge-node-count", space, but(1, u32(TOP)), "M-1 values"),
        _case("graph/huge-edge-count", space, but(2, u32(TOP)), "M-1 values"),
    ]


def _graph_edges() -> list[BadValue]:
    """Return graphs with flags and counts that contradict each other."""
    space = graph(discrete(4, dtype="int8"), discrete(4, dtype="uint8"))
    bare = graph(discrete(4, dtype="int8"))
    return [
        _case(
            "graph/count-without-flags",
            space,
            [b"\x00", u32(1), u32(1), b"", b"\x00", b""],
            "V-10 count",
        ),
        _case(
            "graph/features-without-edge-space",
            bare,
            [b"\x01", u32(1), u32(0), b"", b"\x00"],
            "V-10 absent",
        ),
        _case(
            "graph/links-without-edge-space",
            bare,
            [b"\x02", u32(2), u32(1), i32(0, 1), b"\x00\x00"],
            "V-10 absent",
        ),
        _case(
            "graph/edge-slab-without-edge-space",
            bare,
            [b"\x00", u32(1), u32(0), b"", b"\x00", b""],
            "V-3",
        ),
        _case(
            "graph/end-of-another-graph",
            space,
            [b"\x03\x00", u32(1, 1), u32(1, 0), i32(0, 1), b"\x00\x00", b"\x00"],
            "V-11",
            2,
        ),
    ]


def _alternatives() -> list[BadValue]:
    space = one_of(discrete(4, dtype="int8"), text("ab", 0, 4))
    return [
        _case("one_of/index-too-large", space, [u32(2), b"", b"", b""], "V-12"),
        _case("one_of/index-huge", space, [u32(TOP), b"", b"", b""], "V-12"),
        _case("one_of/index-in-a-batch", space, [u32(0, 2), b"\x00", b"", b""], "V-12", 2),
        _case("one_of/value-in-the-other", space, [u32(1), b"\x00", b"", b""], "V-4"),
        _case("one_of/value-in-both", space, [u32(0), b"\x00", u32(1), b"a"], "V-4"),
        _case("one_of/unchosen-left-out", space, [u32(0), b"\x00"], "V-3"),
        _case("one_of/index-truncated", space, [u32(0)[:1], b"\x00", b"", b""], "V-4"),
        _case("one_of/alternative-out-of-range", space, [u32(0), b"\x04", b"", b""], "V-8"),
    ]


SIZES = [*_sizes(), *_child_sizes()]
LEAVES = [*_numbers(), *_many(), *_texts()]
NESTED = [*_sequences(), *_stacks(), *_free(), *_graphs(), *_graph_edges(), *_alternatives()]
