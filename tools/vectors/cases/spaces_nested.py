"""Valid spaces made of spaces."""

from __future__ import annotations

from rlmesh_proto.spaces.v1 import space_pb2

from ..declare import ValidSpace
from ..spaces import (
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

__all__ = ["FAMILIES", "NESTED", "deep"]

Space = space_pb2.Space
UNIT = box("float32", [2], 0.0, 1.0)

FAMILIES: dict[str, Space] = {
    "box": UNIT,
    "discrete": discrete(3),
    "multi_binary": multi_binary([2], flat=True),
    "multi_discrete": multi_discrete([2], [2, 3]),
    "text": text("ab", 0, 4),
    "dict": dict_(("a", discrete(2))),
    "tuple": tuple_(discrete(2), UNIT),
    "sequence": sequence(discrete(2)),
    "graph": graph(UNIT, discrete(2)),
    "one_of": one_of(discrete(2), UNIT),
}
"""One small space of each family."""


def deep(kind: str, levels: int, leaf: Space | None = None) -> Space:
    """Return a leaf below containers of one kind, with `levels` levels in all."""
    space = leaf or discrete(2)
    for _ in range(levels - 1):
        if kind == "dict":
            space = dict_(("k", space))
        elif kind == "tuple":
            space = tuple_(space)
        elif kind == "sequence":
            space = sequence(space)
        else:
            space = one_of(space)
    return space


def _dicts() -> list[ValidSpace]:
    two = discrete(2)
    return [
        ValidSpace("dict/empty", dict_()),
        ValidSpace("dict/one", dict_(("only", UNIT))),
        ValidSpace("dict/order-not-sorted", dict_(("b", two), ("a", UNIT), ("c", discrete(4)))),
        ValidSpace("dict/order-sorted", dict_(("a", UNIT), ("b", two), ("c", discrete(4)))),
        ValidSpace("dict/integer-keys", dict_((2, two), (0, UNIT), (-1, two))),
        ValidSpace("dict/integer-extremes", dict_((2**63 - 1, two), (-(2**63), UNIT))),
        ValidSpace("dict/name-and-integer-alike", dict_(("1", two), (1, UNIT))),
        ValidSpace("dict/empty-name", dict_(("", two))),
        ValidSpace("dict/unicode-names", dict_(("é", two), ("e\u0301", two), ("😀", two))),
        ValidSpace(
            "dict/awkward-names", dict_(("a/b", two), ("['a']", two), ("a.b", two), ("\x00", two))
        ),
        ValidSpace(
            "dict/insertion-ordered", dict_(("b", two), ("a", UNIT), insertion_ordered=True)
        ),
        ValidSpace(
            "dict/insertion-ordered-inside",
            dict_(("z", dict_(("b", two), ("a", two), insertion_ordered=True)), ("y", two)),
        ),
        ValidSpace("dict/empty-inside", dict_(("none", dict_()), ("nothing", tuple_()))),
        ValidSpace("dict/same-space-twice", dict_(("left", UNIT), ("right", UNIT))),
        ValidSpace("dict/robot", _robot()),
    ]


def _robot() -> Space:
    inf = float("inf")
    cameras = dict_(
        ("primary", box("uint8", [8, 8, 3], 0, 255)), ("wrist", box("uint8", [4, 4, 3], 0, 255))
    )
    state = dict_(
        ("joints", box("float64", [7], -inf, inf)), ("gripper", box("float32", [], 0.0, 1.0))
    )
    instruction = text("abcdefghijklmnopqrstuvwxyz ", 0, 128)
    return dict_(("images", cameras), ("state", state), ("instruction", instruction))


def _others() -> list[ValidSpace]:
    two = discrete(2)
    edges = box("float64", [3], -1.0, 1.0)
    return [
        ValidSpace("tuple/empty", tuple_()),
        ValidSpace("tuple/one", tuple_(two)),
        ValidSpace("tuple/of-tuples", tuple_(tuple_(), tuple_(two, tuple_(UNIT)))),
        ValidSpace("tuple/every-family", tuple_(*FAMILIES.values())),
        ValidSpace("sequence/of-box", sequence(UNIT)),
        ValidSpace("sequence/of-box-stacked", sequence(UNIT, stacked=True)),
        ValidSpace("sequence/of-sequence", sequence(sequence(two))),
        ValidSpace("sequence/stacked-dict", sequence(dict_(("x", UNIT)), stacked=True)),
        ValidSpace("sequence/of-empty-tuple", sequence(tuple_())),
        ValidSpace("graph/box-nodes", graph(UNIT)),
        ValidSpace("graph/discrete-nodes", graph(discrete(3, 1))),
        ValidSpace("graph/box-and-discrete", graph(UNIT, discrete(4))),
        ValidSpace("graph/discrete-and-box", graph(discrete(4), edges)),
        ValidSpace("graph/every-family", graph(tuple_(*FAMILIES.values()), FAMILIES["dict"])),
        ValidSpace("graph/empty-inside-nodes", graph(dict_(("none", tuple_()), ("a", two)))),
        ValidSpace("graph/zero-size-nodes", graph(box("float32", [0], 0.0, 1.0), two)),
        ValidSpace("graph/0-d-nodes", graph(box("float32", [], 0.0, 1.0), edges)),
        ValidSpace("one_of/one", one_of(two)),
        ValidSpace("one_of/equal-alternatives", one_of(two, two, two)),
        ValidSpace("one_of/nested", one_of(one_of(two, UNIT), one_of(UNIT))),
        ValidSpace("one_of/every-family", one_of(*FAMILIES.values())),
        ValidSpace("one_of/with-empty", one_of(tuple_(), dict_())),
    ]


def _inside() -> list[ValidSpace]:
    """Return every family inside each container, and the deepest space that is allowed."""
    made = [
        ValidSpace(f"sequence/of-each/{name}", sequence(space)) for name, space in FAMILIES.items()
    ]
    made += [
        ValidSpace(f"nested/24-levels-of-{kind}", deep(kind, 24))
        for kind in ("dict", "tuple", "sequence", "one_of")
    ]
    made.append(ValidSpace("nested/24-levels-ending-empty", deep("tuple", 24, dict_())))
    made.append(ValidSpace("nested/24-levels-to-graph", deep("dict", 23, graph(UNIT, UNIT))))
    return made


NESTED = [*_dicts(), *_others(), *_inside()]
