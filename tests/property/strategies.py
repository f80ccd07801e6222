"""Any space, any value of it, any info tree: the one library of strategies.

Nothing here needs an array library; Gymnasium's spaces are in `gymnasium_strategies`.

Strategies are made once and kept where they can be: hypothesis checks and labels a new one when it
is first drawn from, which takes several times as long as the draw.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import Any

from hypothesis import strategies as st

from rlmesh import spaces
from rlmesh.backends import DynamicArray
from rlmesh.dtypes import DTYPES, DType
from rlmesh.spaces import GraphInstance
from rlmesh.spaces._stacking import stack
from rlmesh.tensor import Tensor

__all__ = [
    "CHARACTERS",
    "INTEGERS",
    "KEYS",
    "LEAF_KINDS",
    "SHAPES",
    "VALUES",
    "arrays_of",
    "composites_by_kind",
    "dynamic_arrays",
    "info_trees",
    "integers_of",
    "leaves_of",
    "nested",
    "numbers_of",
    "pairs_of",
    "paths_of",
    "spaces_and_values",
    "spaces_of",
    "values_of",
]

INTEGERS = [d for d in DTYPES.values() if d.is_integer]
SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)
CHARACTERS = st.characters(exclude_categories=("Cs",))
KEYS = st.one_of(
    st.text(CHARACTERS, max_size=4), st.integers(-5, 5), st.sampled_from([-(2**63), 2**63 - 1])
)
Draw = st.SearchStrategy[Any]


@functools.lru_cache(4096)
def integers_of(low: int, high: int) -> st.SearchStrategy[int]:
    """Integers of a range, its ends more often than chance would have it."""
    ends = {low, min(low + 1, high), max(high - 1, low), high, min(max(0, low), high)}
    return st.one_of(st.sampled_from(sorted(ends)), st.integers(low, high))


@functools.cache
def numbers_of(element: DType) -> Draw:
    """Any number that the type holds, but NaN."""
    if not element.is_float:
        return integers_of(*element.limits).map(bool if element.kind == "b" else int)
    return floats_between(element, -math.inf, math.inf)


def floats_between(element: DType, low: float, high: float) -> st.SearchStrategy[float]:
    """Any number of a float type between two of its numbers, by way of the order of its bits."""
    ends = [_rank(element, x) for x in (low, high)]
    inside = integers_of(*ends).map(lambda rank: _of_rank(element, rank))
    return st.one_of(inside, st.just(-0.0)) if low <= 0 <= high else inside


def _rank(element: DType, number: float) -> int:
    bits = int.from_bytes(element.pack([number]), "little")
    sign = 1 << (8 * element.itemsize - 1)
    return -(bits - sign) if bits & sign else bits


def _of_rank(element: DType, rank: int) -> float:
    sign = 1 << (8 * element.itemsize - 1)
    bits = sign - rank if rank < 0 else rank
    return element.unpack(bits.to_bytes(element.itemsize, "little"))[0]


def between(element: DType, low: float, high: float) -> Draw:
    """Any number of the type between two of its numbers."""
    if element.is_float:
        return floats_between(element, low, high)
    return integers_of(int(low), int(high)).map(bool if element.kind == "b" else int)


@functools.cache
def pairs_of(element: DType) -> Draw:
    """Two numbers of the type, in order."""
    return st.tuples(*[numbers_of(element)] * 2).map(sorted)


@st.composite
def boxes(draw: st.DrawFn, shapes: st.SearchStrategy[tuple[int, ...]] = SHAPES) -> spaces.Box:
    element = draw(st.sampled_from(list(DTYPES.values())))
    shape = draw(shapes)
    pair = pairs_of(element)
    size = math.prod(shape)
    kind = draw(st.sampled_from(["each", "uniform", "whole"]))
    if kind == "each":
        pairs = [draw(pair) for _ in range(size)]
    elif kind == "uniform":
        pairs = [draw(pair)] * size
    else:
        limits = (-math.inf, math.inf) if element.is_float else element.limits
        pairs = [limits] * size  # type: ignore[list-item]
    sides = [element.pack([pair[i] for pair in pairs]) for i in (0, 1)]
    low, high = (Tensor(side, element, shape) for side in sides)
    return spaces.Box(low, high, shape, element)


@st.composite
def discretes(draw: st.DrawFn) -> spaces.Discrete:
    element = draw(st.sampled_from(INTEGERS))
    low, high = element.limits
    start = draw(integers_of(low, high))
    most = min(high - start + 1, 2**64 - 1)
    n = draw(st.one_of(integers_of(1, most), st.integers(1, min(most, 9))))
    return spaces.Discrete(n, start=start, dtype=element)


@st.composite
def multi_discretes(draw: st.DrawFn) -> spaces.MultiDiscrete:
    element = draw(st.sampled_from(INTEGERS))
    shape = draw(SHAPES)
    low, high = element.limits
    starts = [draw(st.one_of(integers_of(low, high), st.just(0))) for _ in range(math.prod(shape))]
    mosts = [min(high - x + 1, high) for x in starts]
    counts = [draw(st.one_of(st.integers(1, min(m, 9)), integers_of(1, m))) for m in mosts]
    nvec, start = (Tensor(element.pack(x), element, shape) for x in (counts, starts))
    return spaces.MultiDiscrete(nvec, element, start=start)


@st.composite
def texts(draw: st.DrawFn) -> spaces.Text:
    charset = "".join(draw(st.lists(CHARACTERS, min_size=1, max_size=8, unique=True)))
    low = draw(st.integers(0, 3))
    return spaces.Text(low + draw(st.integers(0, 4)), min_length=low, charset=charset)


MULTI_BINARIES: Draw = st.one_of(
    st.integers(1, 4).map(spaces.MultiBinary),
    st.lists(st.integers(1, 3), min_size=1, max_size=2).map(spaces.MultiBinary),
)
LEAF_KINDS: dict[str, Draw] = {
    "box": boxes(),
    "discrete": discretes(),
    "multi_discrete": multi_discretes(),
    "text": texts(),
    "multi_binary": MULTI_BINARIES,
}
LEAVES: Draw = st.one_of(*LEAF_KINDS.values())
FEATURES: Draw = st.one_of(boxes(), discretes())


def nested(leaves: Draw, composites: Callable[[Draw], Draw]) -> Draw:
    """Spaces nested a few levels: leaves alone as often as not."""
    return st.recursive(leaves, composites, max_leaves=5)


def composites_by_kind(children: Draw) -> dict[str, Draw]:
    """Spaces of the children, by kind."""
    features = st.one_of(FEATURES, children.filter(has_leaves))
    return {
        "dict": st.builds(
            lambda parts, flag: spaces.Dict(parts, sort_keys=flag),
            st.dictionaries(KEYS, children, max_size=3),
            st.booleans(),
        ),
        "tuple": st.lists(children, max_size=3).map(spaces.Tuple),
        "one_of": st.lists(children, min_size=1, max_size=3).map(spaces.OneOf),
        "sequence": st.builds(spaces.Sequence, children, stack=st.booleans()),
        "graph": st.builds(spaces.Graph, features, st.none() | features),
    }


@functools.cache
def spaces_of() -> Draw:
    """Any space, nested a few levels."""
    return nested(LEAVES, lambda children: st.one_of(*composites_by_kind(children).values()))


def values_of(space: Any, inside: bool = False) -> Draw:
    """Any native value that the wire can carry for the space.

    Elements of a Box are any bits, NaN payloads included, and texts may be too short; with `inside`
    only values that the space contains.
    """
    return VALUES[space.kind](space, inside)


def _dict_values(space: spaces.Dict, inside: bool) -> Draw:
    keys = [key for key, _ in space.children]
    parts = st.tuples(*[values_of(part, inside) for _, part in space.children])
    return parts.map(lambda x: dict(zip(keys, x)))


def _tuple_values(space: spaces.Tuple, inside: bool) -> Draw:
    return st.tuples(*[values_of(part, inside) for _, part in space.children])


def _one_of_values(space: spaces.OneOf, inside: bool) -> Draw:
    parts = [values_of(part, inside) for _, part in space.children]
    return st.one_of([st.tuples(st.just(i), part) for i, part in enumerate(parts)])


def _sequence_values(space: spaces.Sequence, inside: bool) -> Draw:
    # The length of a stack without leaves does not show.
    most = 3 if has_leaves(space.feature_space) else 0
    parts = st.lists(values_of(space.feature_space, inside), max_size=most)
    return parts.map(lambda x: stack(space.feature_space, x) if space.stack else tuple(x))


def has_leaves(space: Any) -> bool:
    """Whether values of the space have any content."""
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        return any(has_leaves(child) for _, child in space.children)
    return True


def _text_values(space: spaces.Text, inside: bool) -> Draw:
    low = space.min_length if inside else 0
    return st.text(st.sampled_from(space.charset), min_size=low, max_size=space.max_length)


def _box_values(space: spaces.Box, inside: bool) -> Draw:
    size, element = math.prod(space.shape), space.dtype
    if inside:
        sides = zip(element.unpack(space.low.buffer), element.unpack(space.high.buffer))
        numbers = st.tuples(*[between(element, low, high) for low, high in sides])
        return numbers.map(lambda x: Tensor(element.pack(x), element, space.shape))
    if element.kind == "b":
        data = st.lists(st.integers(0, 1), min_size=size, max_size=size).map(bytes)
    else:
        data = st.binary(min_size=size * element.itemsize, max_size=size * element.itemsize)
    return data.map(lambda x: Tensor(x, element, space.shape))


def _multi_binary_values(space: spaces.MultiBinary, inside: bool) -> Draw:
    bits = st.lists(st.integers(0, 1), min_size=space.size, max_size=space.size)
    return bits.map(lambda x: Tensor(bytes(x), space.dtype, space.shape))


def _multi_discrete_values(space: spaces.MultiDiscrete, inside: bool) -> Draw:
    element = space.dtype
    sides = zip(element.unpack(space.start.buffer), element.unpack(space.nvec.buffer))
    numbers = st.tuples(*[integers_of(int(s), int(s + n) - 1) for s, n in sides])
    return numbers.map(lambda x: Tensor(element.pack(x), element, space.shape))


@st.composite
def _graph_values(draw: st.DrawFn, space: spaces.Graph, inside: bool) -> GraphInstance:
    def features(part: Any, count: int) -> Any:
        return stack(part, [draw(values_of(part, inside)) for _ in range(count)])

    nodes = draw(st.integers(0, 3))
    # The wire has edges and links apart; only graphs with both or neither belong to the space.
    form = draw(st.sampled_from(["neither", "both"] if inside else list(_GRAPH_FORMS)))
    with_edges, with_links = _GRAPH_FORMS[form]
    if space.edge_space is None:
        with_edges, with_links = False, with_links and not inside
    most = 3 if space.edge_space is not None and (nodes or not with_links) else 0
    edges = draw(st.integers(0, most))
    ends = [draw(st.integers(0, nodes - 1)) for _ in range(2 * edges)] if with_links else []
    return GraphInstance(
        features(space.node_space, nodes),
        features(space.edge_space, edges) if with_edges else None,
        Tensor(DTYPES["int32"].pack(ends), "int32", (edges, 2)) if with_links else None,
    )


_GRAPH_FORMS = {
    "neither": (False, False),
    "both": (True, True),
    "edges": (True, False),
    "links": (False, True),
}
VALUES: dict[str, Callable[[Any, bool], Draw]] = {
    "box": _box_values,
    "discrete": lambda space, _: integers_of(space.start, space.start + space.n - 1),
    "multi_binary": _multi_binary_values,
    "multi_discrete": _multi_discrete_values,
    "text": _text_values,
    "dict": _dict_values,
    "tuple": _tuple_values,
    "sequence": _sequence_values,
    "graph": _graph_values,
    "one_of": _one_of_values,
}


@st.composite
def spaces_and_values(
    draw: st.DrawFn, most: int = 3, inside: bool = False, within: Draw | None = None
) -> tuple[Any, list[Any]]:
    """A space (one of `within`) and up to `most` of its values."""
    space = draw(spaces_of() if within is None else within)
    return space, draw(st.lists(values_of(space, inside), max_size=most))


def leaves_of(space: Any, path: str = "value") -> list[tuple[str, Any]]:
    """The leaves of a space in canonical order, each with its path as in errors."""
    if isinstance(space, spaces.Graph):
        return list(
            itertools.chain.from_iterable(
                leaves_of(part, f"{path}.{name}") for name, part in space.children
            )
        )
    if not space.children:
        return [(path, space)] if has_leaves(space) else []
    inner: Sequence[tuple[Any, Any]] = space.children
    return list(
        itertools.chain.from_iterable(
            leaves_of(part, path + spaces.path_text((key,))) for key, part in inner
        )
    )


def paths_of(space: Any, path: str = "value") -> set[str]:
    """The places of a space that an error may name."""
    if isinstance(space, spaces.Graph):
        parts = [paths_of(part, f"{path}.{name}") for name, part in space.children]
        return {path, f"{path}.edges", f"{path}.edge_links"}.union(*parts)
    inner = [paths_of(part, path + spaces.path_text((key,))) for key, part in space.children]
    return {path}.union(*inner)


def arrays_of(value: Any) -> Iterator[Any]:
    """The arrays of a value that have elements."""
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from arrays_of(part)
    # NumPy's scalars have a shape too, but no memory.
    elif hasattr(value, "shape") and 0 not in value.shape and not isinstance(value, Integral):
        yield value


@st.composite
def dynamic_arrays(
    draw: st.DrawFn, shapes: st.SearchStrategy[tuple[int, ...]] = SHAPES
) -> DynamicArray:
    """An array of numbers, a typed scalar, or an array of any values."""
    shape = draw(shapes)
    kind = draw(st.sampled_from(["array", "scalar", "objects"]))
    if kind == "objects":
        size = math.prod(shape)
        parts = st.none() | st.text(max_size=3) | st.integers() | st.lists(st.booleans())
        elements = draw(st.lists(parts, min_size=size, max_size=size))
        return DynamicArray(None, shape, None, elements)
    box = draw(boxes(st.just(() if kind == "scalar" else shape)))
    data = draw(values_of(box)).tobytes()
    return DynamicArray(box.dtype, None if kind == "scalar" else shape, data)


@functools.cache
def info_trees(more: Draw | None = None) -> Draw:
    """Any info: Python's own values, and `more` leaves, nested."""
    text = st.text(CHARACTERS, max_size=5)
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.one_of(st.integers(-(2**70), 2**70), integers_of(-(2**63), 2**63 - 1)),
        st.floats(),
        text,
        st.binary(max_size=5),
        *(() if more is None else (more,)),
    )
    # 0, 1 and their floats and bools are the same key to Python.
    plain = st.one_of(text, st.integers(2, 2**70), st.none(), st.binary(max_size=3))
    keys = st.one_of(plain, st.lists(plain, max_size=2).map(tuple))
    inner = st.recursive(
        leaves,
        lambda part: st.one_of(
            st.lists(part, max_size=3),
            st.lists(part, max_size=3).map(tuple),
            st.dictionaries(keys, part, max_size=3),
        ),
        max_leaves=8,
    )
    return st.dictionaries(keys, inner, max_size=4)
