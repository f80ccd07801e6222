"""Valid values of the spaces made of spaces."""

from __future__ import annotations

from ..declare import ValidValue, sizes
from ..spaces import box, dict_, discrete, graph, one_of, sequence, text, tuple_
from ..values import (
    Tagged,
    array,
    chosen,
    entries,
    graph_of,
    integer,
    items,
    positions,
    string,
)
from .spaces_nested import FAMILIES, UNIT, deep

__all__ = ["CONTAINERS", "RAGGED"]


def unit(x: float, y: float) -> Tagged:
    """Return a value of `UNIT`."""
    return array("float32", [2], [x, y])


PAIRS: dict[str, tuple[Tagged, Tagged]] = {
    "box": (unit(0.0, 1.0), unit(0.5, 0.25)),
    "discrete": (integer(2), integer(0)),
    "multi_binary": (array("int8", [2], [1, 0]), array("int8", [2], [0, 1])),
    "multi_discrete": (array("int64", [2], [1, 2]), array("int64", [2], [0, 0])),
    "text": (string("ab"), string("")),
    "dict": (entries(("a", integer(1))), entries(("a", integer(0)))),
    "tuple": (positions(integer(1), unit(1.0, 0.0)), positions(integer(0), unit(0.5, 0.5))),
    "sequence": (items(integer(1), integer(0), integer(1)), items()),
    "graph": (
        graph_of([unit(0.0, 1.0), unit(1.0, 0.0)], [integer(1)], [(1, 0)]),
        graph_of([unit(0.5, 0.5)]),
    ),
    "one_of": (chosen(1, unit(1.0, 1.0)), chosen(0, integer(1))),
}
"""Two values of each space of `FAMILIES`."""


LABELLED = graph(discrete(3, 1), discrete(4))
NODES = [integer(1), integer(3), integer(2)]
WEIGHTED = graph(UNIT, box("float64", [2], -1.0, 1.0))
POINTS = [unit(0.0, 0.0), unit(0.5, 1.0)]
EDGES = [array("float64", [2], [0.5, -0.5]), array("float64", [2], [-0.0, 1.0])]
LOOSE = graph(box("int16", [2, 2], -9, 9))
BLOCK = array("int16", [2, 2], [1, 2, 3, 4])


def _dicts() -> list[ValidValue]:
    order = dict_(("b", discrete(2)), ("a", UNIT), ("c", text("xyz", 0, 3)))
    keys = dict_((2**63 - 1, discrete(5)), ("1", discrete(5)), (1, discrete(5)), (-(2**63), UNIT))
    inner = dict_(("x", tuple_(discrete(3), dict_())), ("", UNIT))
    return [
        *sizes("dict/empty", dict_(), entries(), entries(), entries()),
        *sizes("tuple/empty", tuple_(), positions(), positions()),
        *sizes(
            "dict/order",
            order,
            entries(("b", integer(1)), ("a", unit(0.0, 1.0)), ("c", string("zy"))),
            entries(("b", integer(0)), ("a", unit(1.0, 0.5)), ("c", string(""))),
        ),
        ValidValue(
            "dict/keys",
            keys,
            (
                entries(
                    (2**63 - 1, integer(1)),
                    ("1", integer(2)),
                    (1, integer(3)),
                    (-(2**63), unit(0.0, 0.5)),
                ),
            ),
        ),
        ValidValue(
            "dict/nested",
            inner,
            (entries(("x", positions(integer(2), entries())), ("", unit(0.0, 0.0))),),
        ),
    ]


def _every_family() -> list[ValidValue]:
    everything = tuple_(*FAMILIES.values())
    first = positions(*(pair[0] for pair in PAIRS.values()))
    second = positions(*(pair[1] for pair in PAIRS.values()))
    made = sizes("tuple/every-family", everything, first, second, first)
    for name, space in FAMILIES.items():
        one, two = PAIRS[name]
        made += sizes(
            f"sequence/of-{name}", sequence(space), items(one, two, one), items(), items(two)
        )
        made.append(
            ValidValue(
                f"dict/of-{name}",
                dict_(("k", space)),
                (entries(("k", two)), entries(("k", one))),
                batch=True,
            )
        )
    return made


def _deep(kind: str) -> ValidValue:
    value = integer(1)
    for _ in range(23):
        if kind == "dict":
            value = entries(("k", value))
        elif kind == "tuple":
            value = positions(value)
        elif kind == "sequence":
            value = items(value)
        else:
            value = chosen(0, value)
    return ValidValue(f"nested/24-levels-of-{kind}", deep(kind, 24), (value,))


def _sequences() -> list[ValidValue]:
    two = discrete(2)
    ragged = items(items(integer(1)), items(), items(integer(0), integer(1)))
    stacked = sequence(dict_(("x", UNIT)), stacked=True)
    point = entries(("x", unit(0.0, 1.0)))
    return [
        *sizes("sequence/ragged", sequence(sequence(two)), ragged, items(), items(items())),
        *sizes(
            "sequence/stacked",
            sequence(UNIT, stacked=True),
            items(unit(0.0, 1.0), unit(1.0, 0.0)),
            items(),
        ),
        *sizes("sequence/stacked-dict", stacked, items(point, point), items(), items(point)),
        *_stacks(),
        *sizes(
            "sequence/of-empty-tuple", sequence(tuple_()), items(positions(), positions()), items()
        ),
        *sizes(
            "sequence/of-unicode",
            sequence(text("é😀a", 0, 3)),
            items(string("é😀"), string(""), string("a")),
            items(),
        ),
        ValidValue(
            "sequence/of-zero-size",
            sequence(box("int32", [0], 0, 1)),
            (items(array("int32", [0], []), array("int32", [0], [])),),
        ),
        ValidValue(
            "sequence/300-elements",
            sequence(discrete(256, 0, "uint8")),
            (items(*(integer(i % 256) for i in range(300))),),
        ),
    ]


def _stacks() -> list[ValidValue]:
    """Return stacks with a length that barely shows, or none (V-15)."""
    nothing, empty = dict_(("x", tuple_())), box("int32", [0], 0, 1)
    without_bytes = entries(("x", array("int32", [0], [])))
    inner = entries(("x", items(positions())))
    return [
        *sizes("sequence/stacked-of-empty-dict", sequence(dict_(), True), items(), items()),
        *sizes("sequence/stacked-of-nothing", sequence(nothing, True), items(), items()),
        *sizes(
            "sequence/stacked-of-zero-size",
            sequence(dict_(("x", empty)), True),
            items(without_bytes, without_bytes),
            items(),
        ),
        *sizes(
            "sequence/stacked-of-sequences-of-nothing",
            sequence(dict_(("x", sequence(tuple_()))), True),
            items(inner, inner),
            items(),
        ),
    ]


def _graphs() -> list[ValidValue]:
    nodes, points, edges, block = NODES, POINTS, EDGES, BLOCK
    labelled, weighted, loose = LABELLED, WEIGHTED, LOOSE
    return [
        *sizes("graph/no-edges", labelled, graph_of(nodes), graph_of([]), graph_of(nodes[:1])),
        *sizes(
            "graph/with-features",
            weighted,
            graph_of(points, edges, [(0, 1), (1, 1)]),
            graph_of(points[:1]),
            graph_of(points, edges[:1], [(1, 0)]),
        ),
        *sizes("graph/without-edge-space", loose, graph_of([block, block]), graph_of([])),
        *sizes("graph/zero-edges-written", labelled, graph_of(nodes, [], []), graph_of(nodes)),
        *sizes("graph/discrete-nodes", labelled, graph_of(nodes, [integer(3)], [(2, 0)])),
        *sizes(
            "graph/links-without-features",
            weighted,
            graph_of(points, None, [(1, 0)]),
            graph_of(points, edges, [(0, 1), (0, 0)]),
            graph_of(points, edges[:1], None),
        ),
    ]


def _graphs_of_composites() -> list[ValidValue]:
    atoms = dict_(("charge", discrete(3)), ("at", UNIT))
    bonds = tuple_(discrete(4), text("ab", 0, 3))
    nodes = [entries(("charge", integer(k)), ("at", unit(k / 2, 1.0 - k / 2))) for k in range(3)]
    edges = [positions(integer(3), string("ba")), positions(integer(0), string(""))]
    counted = sequence(discrete(5))
    return [
        *sizes(
            "graph/of-dicts-and-tuples",
            graph(atoms, bonds),
            graph_of(nodes, edges, [(0, 2), (1, 1)]),
            graph_of(nodes[:1]),
            graph_of(nodes[1:], edges[1:], [(1, 0)]),
        ),
        *sizes(
            "graph/of-texts-and-sequences",
            graph(text("ab", 0, 3), counted),
            graph_of([string("a"), string("bab")], [items(integer(4), integer(0))], [(0, 1)]),
            graph_of([], [], []),
            graph_of([string("")], [items(), items(integer(1))], [(0, 0), (0, 0)]),
        ),
        *sizes(
            "graph/of-alternatives-and-graphs",
            graph(one_of(discrete(3), UNIT), graph(discrete(3, 1), discrete(4))),
            graph_of([chosen(1, unit(0.0, 0.5)), chosen(0, integer(2))], [], []),
            graph_of([chosen(0, integer(1))], [graph_of(NODES, [integer(3)], [(2, 0)])], [(0, 0)]),
            graph_of([]),
        ),
    ]


def _few_graphs() -> list[ValidValue]:
    nodes, points, edges, block = NODES, POINTS, EDGES, BLOCK
    labelled, weighted, loose = LABELLED, WEIGHTED, LOOSE
    return [
        ValidValue("graph/features-without-links", weighted, (graph_of(points, edges, None),)),
        ValidValue("graph/empty-links-without-edge-space", loose, (graph_of([block], None, []),)),
        ValidValue("graph/no-nodes", weighted, (graph_of([]),)),
        ValidValue("graph/no-nodes-zero-edges", weighted, (graph_of([], [], []),)),
        ValidValue(
            "graph/multi-edges",
            labelled,
            (graph_of(nodes, [integer(0)] * 3, [(0, 1), (0, 1), (2, 2)]),),
        ),
        ValidValue(
            "graph/in-a-dict",
            dict_(("g", labelled), ("after", discrete(2))),
            (
                entries(("g", graph_of(nodes, [integer(1)], [(0, 2)])), ("after", integer(1))),
                entries(("g", graph_of([])), ("after", integer(0))),
            ),
            batch=True,
        ),
    ]


def _alternatives() -> list[ValidValue]:
    two = discrete(2)
    equal = one_of(two, two, two)
    nested = one_of(one_of(two, UNIT), two)
    mixed = one_of(UNIT, text("ab", 0, 4), sequence(two), tuple_())
    return [
        *sizes(
            "one_of/equal",
            equal,
            chosen(2, integer(1)),
            chosen(0, integer(1)),
            chosen(1, integer(0)),
        ),
        *sizes(
            "one_of/nested",
            nested,
            chosen(0, chosen(1, unit(0.0, 1.0))),
            chosen(1, integer(1)),
            chosen(0, chosen(0, integer(0))),
        ),
        *sizes(
            "one_of/mixed",
            mixed,
            chosen(1, string("ba")),
            chosen(3, positions()),
            chosen(0, unit(1.0, 0.5)),
            chosen(2, items(integer(1))),
            chosen(1, string("")),
        ),
        *(
            ValidValue(
                f"one_of/chooses-{name}", one_of(*FAMILIES.values()), (chosen(at, PAIRS[name][0]),)
            )
            for at, name in enumerate(FAMILIES)
        ),
    ]


CONTAINERS = [
    *_dicts(),
    *_every_family(),
    *(_deep(kind) for kind in ("dict", "tuple", "sequence", "one_of")),
]
RAGGED = [
    *_sequences(),
    *_graphs(),
    *_graphs_of_composites(),
    *_few_graphs(),
    *_alternatives(),
]
