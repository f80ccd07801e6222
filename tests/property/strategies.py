"""Any space, any value of it, any info tree: the one library of strategies."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

from rlmesh import spaces
from rlmesh.dtypes import DTYPES, DType
from rlmesh.spaces import GraphInstance
from rlmesh.spaces._stacking import stack
from rlmesh.tensor import Tensor

__all__ = ["info_trees", "spaces_and_values", "spaces_of", "values_of"]

INTEGERS = [d for d in DTYPES.values() if d.is_integer]
SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@st.composite
def boxes(draw: st.DrawFn) -> spaces.Box:
    element = draw(st.sampled_from(list(DTYPES.values())))
    shape = draw(SHAPES)
    size = math.prod(shape)
    pairs = [sorted(draw(st.tuples(*[bound(element)] * 2))) for _ in range(size)]
    sides = [element.pack([pair[i] for pair in pairs]) for i in (0, 1)]
    low, high = (Tensor(side, element, shape) for side in sides)
    return spaces.Box(low, high, shape, element)


def bound(element: DType) -> st.SearchStrategy[Any]:
    if not element.is_float:
        low, high = element.limits
        return st.integers(low, high).map(bool if element.kind == "b" else int)
    width = {2: 16, 4: 32, 8: 64}[element.itemsize]
    return st.floats(allow_nan=False, width=16 if element.name == "bfloat16" else width)  # type: ignore[arg-type]


@st.composite
def discretes(draw: st.DrawFn) -> spaces.Discrete:
    element = draw(st.sampled_from(INTEGERS))
    low, high = element.limits
    start = draw(st.integers(low, high))
    n = draw(st.integers(1, min(high - start + 1, 2**63)))
    return spaces.Discrete(n, start=start, dtype=element)


@st.composite
def multi_discretes(draw: st.DrawFn) -> spaces.MultiDiscrete:
    element = draw(st.sampled_from(INTEGERS))
    shape = draw(SHAPES)
    starts = [draw(st.integers(0, 20)) for _ in range(math.prod(shape))]
    counts = [draw(st.integers(1, 100)) for _ in starts]
    nvec, start = (Tensor(element.pack(x), element, shape) for x in (counts, starts))
    return spaces.MultiDiscrete(nvec, element, start=start)


@st.composite
def texts(draw: st.DrawFn) -> spaces.Text:
    characters = st.characters(exclude_categories=("Cs",))
    charset = "".join(draw(st.lists(characters, min_size=1, max_size=8, unique=True)))
    low = draw(st.integers(0, 3))
    return spaces.Text(low + draw(st.integers(1, 4)), min_length=low, charset=charset)


LEAVES = st.one_of(
    boxes(),
    discretes(),
    multi_discretes(),
    texts(),
    st.integers(1, 4).map(spaces.MultiBinary),
    st.lists(st.integers(1, 3), min_size=1, max_size=2).map(spaces.MultiBinary),
)
FEATURES: st.SearchStrategy[Any] = st.one_of(boxes(), discretes())
KEYS = st.one_of(st.text(st.characters(exclude_categories=("Cs",)), max_size=4), st.integers(-5, 5))


def _composites(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.dictionaries(KEYS, children, max_size=3).map(spaces.Dict),
        st.lists(children, max_size=3).map(spaces.Tuple),
        st.lists(children, min_size=1, max_size=3).map(spaces.OneOf),
        st.builds(spaces.Sequence, children, stack=st.booleans()),
        st.builds(spaces.Graph, FEATURES, st.none() | FEATURES),
    )


def spaces_of() -> st.SearchStrategy[Any]:
    """Any space, nested a few levels."""
    return st.recursive(LEAVES, _composites, max_leaves=5)


@st.composite
def values_of(draw: st.DrawFn, space: Any) -> Any:
    """Any native value that the wire can carry for the space; elements of a Box are any bits."""
    if isinstance(space, spaces.Dict):
        return {key: draw(values_of(child)) for key, child in space.children}
    if isinstance(space, spaces.Tuple):
        return tuple(draw(values_of(child)) for _, child in space.children)
    if isinstance(space, spaces.OneOf):
        index = draw(st.integers(0, len(space.children) - 1))
        return (index, draw(values_of(space.children[index][1])))
    if isinstance(space, spaces.Sequence):
        length = draw(st.integers(0, 3)) if _has_leaves(space.feature_space) else 0
        parts = [draw(values_of(space.feature_space)) for _ in range(length)]
        return stack(space.feature_space, parts) if space.stack else tuple(parts)
    if isinstance(space, spaces.Graph):
        return draw(_graphs(space))
    if isinstance(space, spaces.Text):
        return draw(st.text(st.sampled_from(space.charset), max_size=space.max_length))
    if isinstance(space, spaces.Discrete):
        return draw(st.integers(space.start, space.start + space.n - 1))
    if isinstance(space, spaces.Box):
        return draw(_any_bits(space))
    return space.sample()


def _has_leaves(space: Any) -> bool:
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        return any(_has_leaves(child) for _, child in space.children)
    return True


@st.composite
def _any_bits(draw: st.DrawFn, space: spaces.Box) -> Tensor:
    size = math.prod(space.shape) * space.dtype.itemsize
    if space.dtype.kind == "b":
        return Tensor(
            bytes(draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))),
            space.dtype,
            space.shape,
        )
    return Tensor(draw(st.binary(min_size=size, max_size=size)), space.dtype, space.shape)


@st.composite
def _graphs(draw: st.DrawFn, space: spaces.Graph) -> GraphInstance:
    nodes = draw(st.integers(1, 3))
    edges = draw(st.integers(0, 3)) if space.edge_space is not None else 0
    features = stack(space.node_space, [draw(values_of(space.node_space)) for _ in range(nodes)])
    if not edges or space.edge_space is None:
        return GraphInstance(features, None, None)
    ends = [[draw(st.integers(0, nodes - 1)) for _ in range(2)] for _ in range(edges)]
    parts = [draw(values_of(space.edge_space)) for _ in range(edges)]
    return GraphInstance(features, stack(space.edge_space, parts), Tensor.of(ends, "int32"))


@st.composite
def spaces_and_values(draw: st.DrawFn, most: int = 3) -> tuple[Any, list[Any]]:
    """A space and up to `most` of its values."""
    space = draw(spaces_of())
    return space, draw(st.lists(values_of(space), max_size=most))


def info_trees() -> st.SearchStrategy[Any]:
    """Any info: Python's own values, nested."""
    text = st.text(st.characters(exclude_categories=("Cs",)), max_size=5)
    leaves = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        text,
        st.binary(max_size=5),
    )
    keys = st.one_of(text, st.integers(2, 2**70))
    nested = st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(inner, max_size=3).map(tuple),
            st.dictionaries(keys, inner, max_size=3),
        ),
        max_leaves=8,
    )
    return st.dictionaries(keys, nested, max_size=4)
