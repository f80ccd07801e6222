"""Valid spaces of numbers and of text."""

from __future__ import annotations

from rlmesh_proto.spaces.v1 import space_pb2

from ..declare import ValidSpace
from ..elements import INTEGERS, Bits, limits, pack
from ..spaces import box, discrete, enum, multi_binary, multi_discrete, open_box, text

__all__ = ["BOXES", "INTEGRAL", "TEXTS"]

INF = float("inf")
ASCII = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
LARGEST = {
    "float16": 65504.0,
    "bfloat16": (2 - 2**-7) * 2.0**127,
    "float32": (2 - 2**-23) * 2.0**127,
    "float64": (2 - 2**-52) * 2.0**1023,
}
SMALLEST = {"float16": 2.0**-24, "bfloat16": 2.0**-133, "float32": 2.0**-149, "float64": 5e-324}


def _loose(low: bytes, high: bytes, shape: list[int], uniform: bool) -> space_pb2.Space:
    """Return a float32 box with both bounds in one form, even if a writer would not choose it."""
    made = space_pb2.Box(dtype=enum("float32"), shape=shape)
    for side, data in ((made.low, low), (made.high, high)):
        if uniform:
            side.uniform = data
        else:
            side.elementwise = data
    return space_pb2.Space(box=made)


def _dtypes() -> list[ValidSpace]:
    made: list[ValidSpace] = []
    for name in ("bool", *INTEGERS):
        low, high = limits(name)
        made.append(ValidSpace(f"box/{name}-full-range", box(name, [2, 3], low, high)))
    for name, largest in LARGEST.items():
        tiny = SMALLEST[name]
        made += [
            ValidSpace(f"box/{name}-unbounded", box(name, [3], -INF, INF)),
            ValidSpace(f"box/{name}-largest-finite", box(name, [2], -largest, largest)),
            ValidSpace(f"box/{name}-subnormal", box(name, [2], [-tiny, tiny], [tiny, 1.0])),
            ValidSpace(
                f"box/{name}-per-element", box(name, [3], [-INF, -1.5, 0.0], [INF, 2.0, INF])
            ),
        ]
    return made


def _shapes() -> list[ValidSpace]:
    image = box("uint8", [480, 640, 3], 0, 255)
    return [
        ValidSpace("box/0-d", box("float32", [], -1.0, 1.0)),
        ValidSpace("box/0-d-int64", box("int64", [], -(2**63), 2**63 - 1)),
        ValidSpace("box/zero-size", box("float32", [0], -1.0, 1.0)),
        ValidSpace("box/zero-size-2-d", box("int64", [3, 0], 0, 1)),
        ValidSpace("box/zero-size-leading", box("uint8", [0, 4, 4], 0, 255)),
        ValidSpace("box/one-element", box("float64", [1], 0.0, 1.0)),
        ValidSpace("box/image", image),
        ValidSpace("box/12-d-of-ones", box("int8", [1] * 12, -1, 1)),
        ValidSpace("box/5-d", box("int16", [2, 1, 2, 1, 2], [-8, -7, -6, -5, -4, -3, -2, -1], 0)),
    ]


def _bounds() -> list[ValidSpace]:
    top = 2**63 - 1
    return [
        ValidSpace("box/unbounded-below", box("float32", [4], -INF, 0.0)),
        ValidSpace("box/unbounded-above", box("float64", [4], 0.0, INF)),
        ValidSpace("box/low-equals-high", box("float32", [2], 0.25, 0.25)),
        ValidSpace("box/negative-zero", box("float32", [2], -0.0, 0.0)),
        ValidSpace("box/low-zero-high-negative-zero", box("float32", [2], 0.0, -0.0)),
        ValidSpace("box/signs-of-zero-differ", box("float64", [2], [-0.0, 0.0], [0.0, -0.0])),
        ValidSpace(
            "box/mixed-infinities",
            box("float32", [2, 2], [-INF, 0.0, -INF, -1.0], [0.0, INF, INF, 1.0]),
        ),
        ValidSpace("box/low-uniform-high-elementwise", box("float32", [2], -1.0, [0.0, 1.0])),
        ValidSpace(
            "box/int64-beyond-float64", box("int64", [2], [top - 1, -(2**63)], [top, 1 - 2**63])
        ),
        ValidSpace("box/int64-all-max", box("int64", [2], top, top)),
        ValidSpace("box/uint64-above-int64", box("uint64", [2], [2**63, 2**64 - 2], 2**64 - 1)),
        ValidSpace("box/uint64-unsigned-order", box("uint64", [1], 2**63 - 1, 2**63)),
        ValidSpace("box/float32-next-to-one", box("float32", [1], 1.0, 1.0 + 2**-23)),
        ValidSpace("box/bfloat16-by-bits", box("bfloat16", [2], Bits(0xC2F7), Bits(0x42F7))),
        ValidSpace("box/bool-fixed", box("bool", [3], [0, 0, 1], [0, 1, 1])),
        ValidSpace(
            "box/cartpole-like", box("float32", [4], [-4.0, -INF, -0.5, -INF], [4.0, INF, 0.5, INF])
        ),
    ]


def _loose_forms() -> list[ValidSpace]:
    one, zero = pack("float32", [1.0]), pack("float32", [0.0])
    return [
        ValidSpace(
            "box/elementwise-of-equal-elements",
            _loose(zero * 3, one * 3, [3], uniform=False),
            box("float32", [3], 0.0, 1.0),
        ),
        ValidSpace(
            "box/elementwise-0-d",
            _loose(zero, one, [], uniform=False),
            box("float32", [], 0.0, 1.0),
        ),
        ValidSpace(
            "box/uniform-of-zero-size",
            _loose(zero, one, [2, 0], uniform=True),
            box("float32", [2, 0], 0.0, 1.0),
        ),
    ]


def _discretes() -> list[ValidSpace]:
    made: list[ValidSpace] = []
    for name in INTEGERS:
        low, high = limits(name)
        made += [
            ValidSpace(f"discrete/{name}-lowest-start", discrete(2, low, name)),
            ValidSpace(f"discrete/{name}-only-the-highest", discrete(1, high, name)),
        ]
    explicit = space_pb2.Space(
        discrete=space_pb2.Discrete(dtype=enum("int64"), n=3, start=pack("int64", [0]))
    )
    return made + [
        ValidSpace("discrete/two", discrete(2)),
        ValidSpace("discrete/one", discrete(1)),
        ValidSpace("discrete/negative-start", discrete(5, -2)),
        ValidSpace("discrete/int8-full-range", discrete(256, -128, "int8")),
        ValidSpace("discrete/int64-2^63-elements", discrete(2**63, -(2**63))),
        ValidSpace("discrete/int64-2^64-1-elements", discrete(2**64 - 1, -(2**63))),
        ValidSpace("discrete/uint64-2^64-1-elements", discrete(2**64 - 1, 1, "uint64")),
        ValidSpace("discrete/start-0-written", explicit, discrete(3)),
    ]


def _many() -> list[ValidSpace]:
    zeros = space_pb2.MultiDiscrete(
        dtype=enum("int64"), shape=[2], nvec=pack("int64", [2, 3]), start=pack("int64", [0, 0])
    )
    made = [
        ValidSpace("multi_binary/flat", multi_binary([5], flat=True)),
        ValidSpace("multi_binary/shaped", multi_binary([5])),
        ValidSpace("multi_binary/n-d", multi_binary([2, 3, 4])),
        ValidSpace("multi_binary/one", multi_binary([1], flat=True)),
        ValidSpace("multi_binary/zero-extent", multi_binary([3, 0])),
        ValidSpace("multi_discrete/1-d", multi_discrete([3], [5, 2, 2])),
        ValidSpace("multi_discrete/2-d", multi_discrete([2, 2], [1, 2, 3, 4])),
        ValidSpace("multi_discrete/start", multi_discrete([2, 2], [1, 2, 3, 4], [-5, 0, 7, -1])),
        ValidSpace("multi_discrete/0-d", multi_discrete([], [3], [2])),
        ValidSpace("multi_discrete/zero-size", multi_discrete([0], [])),
        ValidSpace("multi_discrete/zero-size-2-d", multi_discrete([2, 0], [])),
        ValidSpace("multi_discrete/uint8-256", multi_discrete([1], [255], [1], "uint8")),
        ValidSpace(
            "multi_discrete/int64-extremes",
            multi_discrete([3], [2**63 - 1, 1, 1], [-(2**63), 2**63 - 1, -(2**63)]),
        ),
        ValidSpace(
            "multi_discrete/uint64-extremes",
            multi_discrete([2], [2**64 - 1, 1], [1, 2**64 - 1], "uint64"),
        ),
        ValidSpace(
            "multi_discrete/starts-0-written",
            space_pb2.Space(multi_discrete=zeros),
            multi_discrete([2], [2, 3]),
        ),
    ]
    for name in INTEGERS:
        space = multi_discrete([2], [3, 100], [0, 27], name)
        made.append(ValidSpace(f"multi_discrete/{name}", space))
    return made


def _texts() -> list[ValidSpace]:
    return [
        ValidSpace("text/alphanumeric", text(ASCII, 1, 20)),
        ValidSpace("text/only-empty", text("a", 0, 0)),
        ValidSpace("text/fixed-length", text("01", 8, 8)),
        ValidSpace("text/charset-order", text("zaMb0", 0, 4)),
        ValidSpace("text/multi-byte", text("aé漢ß", 0, 6)),
        ValidSpace("text/astral", text("😀\U0001d11e\U0010ffff", 1, 3)),
        ValidSpace("text/composed-and-combining", text("\u00e9e\u0301", 0, 5)),
        ValidSpace("text/controls", text("\x00\t\n\r\x7f\u2028\ufeff", 0, 5)),
        ValidSpace("text/utf-8-length-borders", text("\x7f\x80\u07ff\u0800\uffff\U00010000", 0, 9)),
        ValidSpace("text/around-the-surrogates", text("\ud7ff\ue000\ufffe", 0, 3)),
        ValidSpace("text/longest", text(" ", 0, 2**32 - 1)),
        ValidSpace("text/right-to-left", text("אבגד", 0, 4)),
    ]


def _unbounded() -> list[ValidSpace]:
    """Return boxes of integers with open sides."""
    made = []
    for name in INTEGERS:
        low, high = limits(name)
        both = open_box(name, [2, 3], low, high, low < 0, True)
        made.append(ValidSpace(f"box/{name}-unbounded", both))
    least, most = limits("int64")
    one = open_box("int64", [2], [least, least], 5, [True, False], False)
    all_marked, each = open_box("int8", [2], -128, 0, True, False), space_pb2.Space()
    each.CopyFrom(all_marked)
    each.box.low.unbounded = b"\x01\x01"
    none, zeros = box("int8", [2], -128, 0), space_pb2.Space()
    zeros.CopyFrom(none)
    zeros.box.high.unbounded = b"\x00\x00"
    naught, marked = box("int8", [0], -128, 127), space_pb2.Space()
    marked.CopyFrom(naught)
    marked.box.low.unbounded = b"\x01"
    return [
        *made,
        ValidSpace("box/one-element-unbounded-below", one),
        ValidSpace(
            "box/unbounded-here-and-there",
            open_box(
                *("int64", [2, 2], [least, 0, least, -3], [most, most, 7, most]),
                *([True, False, False, False], [True, False, False, True]),
            ),
        ),
        ValidSpace("box/0-d-unbounded", open_box("int16", [], -(2**15), 2**15 - 1, True, True)),
        ValidSpace("box/unbounded-written-one-by-one", each, all_marked),
        ValidSpace("box/unbounded-nowhere-written", zeros, none),
        ValidSpace("box/unbounded-of-zero-size", marked, naught),
    ]


BOXES = [*_dtypes(), *_shapes(), *_bounds(), *_unbounded(), *_loose_forms()]
INTEGRAL = [*_discretes(), *_many()]
TEXTS = _texts()
