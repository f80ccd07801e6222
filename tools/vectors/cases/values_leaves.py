"""Valid values of the spaces of numbers and of text."""

from __future__ import annotations

from ..declare import ValidValue, sizes
from ..elements import INTEGERS, Bits, Number, limits
from ..spaces import box, discrete, multi_binary, multi_discrete, text
from ..values import array, integer, string

__all__ = ["BOXES", "INTEGRAL", "TEXTS"]

INF = float("inf")
NANS: dict[str, list[Bits]] = {
    # A quiet NaN, one with a payload, a negative one with every bit set, a signalling one.
    "float16": [Bits(0x7E00), Bits(0x7E2A), Bits(0xFFFF), Bits(0x7C01)],
    "bfloat16": [Bits(0x7FC0), Bits(0x7FEA), Bits(0xFFFF), Bits(0x7F81)],
    "float32": [Bits(0x7FC00000), Bits(0x7FC0BEEF), Bits(0xFFFFFFFF), Bits(0x7F800001)],
    "float64": [
        Bits(0x7FF8000000000000),
        Bits(0x7FF80000DEADBEEF),
        Bits(0xFFFFFFFFFFFFFFFF),
        Bits(0x7FF0000000000001),
    ],
}
BORDERS: dict[str, list[Bits]] = {
    # Smallest subnormal, largest subnormal, smallest normal, largest finite, lowest finite.
    "float16": [Bits(0x0001), Bits(0x03FF), Bits(0x0400), Bits(0x7BFF), Bits(0xFBFF)],
    "bfloat16": [Bits(0x0001), Bits(0x007F), Bits(0x0080), Bits(0x7F7F), Bits(0xFF7F)],
    "float32": [
        Bits(0x00000001),
        Bits(0x007FFFFF),
        Bits(0x00800000),
        Bits(0x7F7FFFFF),
        Bits(0xFF7FFFFF),
    ],
    "float64": [
        Bits(0x0000000000000001),
        Bits(0x000FFFFFFFFFFFFF),
        Bits(0x0010000000000000),
        Bits(0x7FEFFFFFFFFFFFFF),
        Bits(0xFFEFFFFFFFFFFFFF),
    ],
}


def _floats() -> list[ValidValue]:
    made: list[ValidValue] = []
    for name, nans in NANS.items():
        borders = BORDERS[name]
        four, five = box(name, [4], -INF, INF), box(name, [5], -INF, INF)
        special: list[Number] = [0.0, -0.0, INF, -INF]
        made += [
            ValidValue(f"box/{name}-zeros-and-infinities", four, (array(name, [4], special),)),
            ValidValue(f"box/{name}-nan-payloads", four, (array(name, [4], nans),)),
            ValidValue(f"box/{name}-borders", five, (array(name, [5], borders),)),
            ValidValue(
                f"box/{name}-nan-in-a-batch",
                four,
                (array(name, [4], special), array(name, [4], nans)),
                batch=True,
            ),
        ]
    unit = box("float32", [2], -1.0, 1.0)
    return made + [
        ValidValue("box/above-high", unit, (array("float32", [2], [0.0, 1.5]),)),
        ValidValue("box/nan-in-bounded", unit, (array("float32", [2], [0.0, Bits(0x7FC00000)]),)),
    ]


def _ints() -> list[ValidValue]:
    made: list[ValidValue] = []
    for name in ("bool", *INTEGERS):
        low, high = limits(name)
        space = box(name, [3], low, high)
        first = array(name, [3], [low, 1, high])
        second = array(name, [3], [high, low, 0])
        made += [
            ValidValue(f"box/{name}-extremes", space, (first,)),
            ValidValue(f"box/{name}-batch-2", space, (first, second), batch=True),
        ]
    top = 2**63 - 1
    beyond = box("int64", [2], [top - 1, -(2**63)], [top, 1 - 2**63])
    made.append(
        ValidValue("box/int64-beyond-float64", beyond, (array("int64", [2], [top - 1, 1 - 2**63]),))
    )
    return made


def _shapes() -> list[ValidValue]:
    zero = box("float32", [2, 0], -1.0, 1.0)
    grid = box("int16", [2, 3], -100, 100)
    cart = box("float32", [4], [-4.5, -INF, -0.5, -INF], [4.5, INF, 0.5, INF])
    point = box("float64", [], -1.0, 1.0)
    return [
        *sizes("box/0-d", point, *(array("float64", [], [x]) for x in (0.5, -0.0, -1.0))),
        *sizes("box/zero-size", zero, *(array("float32", [2, 0], []) for _ in range(3))),
        *sizes(
            "box/c-order",
            grid,
            array("int16", [2, 3], [1, 2, 3, 4, 5, 6]),
            array("int16", [2, 3], [-1, -2, -3, -4, -5, -6]),
        ),
        *sizes(
            "box/per-element-bounds",
            cart,
            array("float32", [4], [4.5, 1e10, -0.5, -INF]),
            array("float32", [4], [-4.5, INF, 0.5, 0.0]),
            array("float32", [4], [0.0, -0.0, 0.25, -1e10]),
        ),
    ]


def _batches() -> list[ValidValue]:
    return [
        *sizes(
            "box/bool",
            box("bool", [2, 2], 0, 1),
            array("bool", [2, 2], [1, 0, 0, 1]),
            array("bool", [2, 2], [0, 0, 0, 0]),
        ),
        *sizes(
            "box/bfloat16",
            box("bfloat16", [2], -INF, INF),
            array("bfloat16", [2], [Bits(0x3F80), Bits(0xC2F7)]),
            array("bfloat16", [2], [Bits(0x8000), Bits(0x7F80)]),
        ),
        ValidValue(
            "box/16-lanes",
            box("uint8", [2], 0, 255),
            tuple(array("uint8", [2], [i, 255 - i]) for i in range(16)),
            batch=True,
        ),
    ]


def _discretes() -> list[ValidValue]:
    made: list[ValidValue] = []
    for name in INTEGERS:
        low, high = limits(name)
        made += [
            ValidValue(f"discrete/{name}-lowest", discrete(2, low, name), (integer(low),)),
            ValidValue(f"discrete/{name}-highest", discrete(2, high - 1, name), (integer(high),)),
        ]
    whole = discrete(2**64 - 1, -(2**63))
    return made + [
        *sizes("discrete/two", discrete(2), integer(0), integer(1), integer(1)),
        *sizes("discrete/start", discrete(3, -1, "int32"), integer(-1), integer(0), integer(1)),
        *sizes("discrete/uint64", discrete(2**64 - 1, 1, "uint64"), integer(2**64 - 1), integer(1)),
        *sizes("discrete/int64-wide", whole, integer(-(2**63)), integer(2**63 - 2)),
    ]


def _many() -> list[ValidValue]:
    grid = multi_discrete([2, 2], [1, 2, 3, 4], [-5, 0, 7, -1])
    made = [
        *sizes(
            "multi_binary/flat",
            multi_binary([3], flat=True),
            array("int8", [3], [1, 0, 1]),
            array("int8", [3], [0, 0, 0]),
        ),
        *sizes(
            "multi_binary/n-d",
            multi_binary([2, 3]),
            array("int8", [2, 3], [1, 0, 0, 1, 1, 0]),
            array("int8", [2, 3], [1, 1, 1, 1, 1, 1]),
        ),
        *sizes(
            "multi_discrete/start",
            grid,
            array("int64", [2, 2], [-5, 1, 9, 2]),
            array("int64", [2, 2], [-5, 0, 7, -1]),
        ),
        *sizes("multi_discrete/0-d", multi_discrete([], [3], [2]), array("int64", [], [4])),
        *sizes(
            "multi_discrete/zero-size",
            multi_discrete([0], []),
            array("int64", [0], []),
            array("int64", [0], []),
        ),
        ValidValue(
            "multi_discrete/uint64-extremes",
            multi_discrete([2], [2**64 - 1, 1], [1, 2**64 - 1], "uint64"),
            (array("uint64", [2], [2**64 - 1, 2**64 - 1]),),
        ),
        ValidValue("multi_binary/zero-extent", multi_binary([3, 0]), (array("int8", [3, 0], []),)),
    ]
    for name in INTEGERS:
        space = multi_discrete([2], [3, 100], [0, 27], name)
        made.append(ValidValue(f"multi_discrete/{name}", space, (array(name, [2], [2, 126]),)))
    return made


def _texts() -> list[ValidValue]:
    wide = text("aé漢😀\u0301e", 0, 8)
    borders = "\x00\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"
    strange = text(borders, 0, len(borders))
    return [
        *sizes("text/ascii", text("abc", 0, 8), string("abcabc"), string(""), string("c")),
        *sizes("text/empty", text("a", 0, 0), string(""), string(""), string("")),
        *sizes("text/multi-byte", wide, string("aé漢😀"), string("😀😀"), string(""), string("é")),
        *sizes("text/code-point-borders", strange, string(borders), string(borders[::-1])),
        ValidValue("text/composed", text("\u00e9e\u0301", 0, 4), (string("\u00e9"),)),
        ValidValue("text/combining", text("\u00e9e\u0301", 0, 4), (string("e\u0301"),)),
        ValidValue("text/not-in-charset", text("ab", 0, 4), (string("ac"),)),
        ValidValue("text/too-short", text("ab", 2, 4), (string("a"),)),
        ValidValue("text/too-long", text("ab", 2, 4), (string("ababa"),)),
        ValidValue("text/composed-is-not-combining", text("\u00e9", 0, 4), (string("e\u0301"),)),
        ValidValue("text/characters-are-not-bytes", text("😀", 4, 4), (string("😀😀😀😀"),)),
    ]


BOXES = [*_floats(), *_ints(), *_shapes(), *_batches()]
INTEGRAL = [*_discretes(), *_many()]
TEXTS = _texts()
