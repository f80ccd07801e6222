"""Any Gymnasium space as its users write it, and masks and probabilities for its sampler."""

from __future__ import annotations

import functools
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import gymnasium
import gymnasium.spaces as gs
import numpy as np
from hypothesis import assume, reject
from hypothesis import strategies as st

from rlmesh import spaces
from rlmesh.dtypes import DTYPES, DType
from rlmesh.errors import SpaceError
from tests.property.strategies import (
    CHARACTERS,
    INTEGERS,
    KEYS,
    SHAPES,
    integers_of,
    nested,
    pairs_of,
    spaces_of,
)

__all__ = ["EXACT", "GYMNASIUM", "gymnasium_spaces", "masks_of", "twins"]

GYMNASIUM = tuple(map(int, gymnasium.__version__.split(".")[:2]))

# Before 1.3, the end of a Discrete is computed in its dtype, and may wrap around.
EXACT = GYMNASIUM >= (1, 3)

ELEMENTS = [d for d in DTYPES.values() if d.name != "bfloat16"]  # Gymnasium has no bfloat16.
FEW = 9
"""Most choices that a mask is drawn for."""

Draw = st.SearchStrategy[Any]


def numpy_type(element: DType) -> Any:
    return np.dtype(element.name).type


def array_of(numbers: Any, element: DType, shape: tuple[int, ...]) -> Any:
    return np.array(numbers, dtype=element.name).reshape(shape)


@st.composite
def boxes(draw: st.DrawFn) -> gs.Box:
    """Bounds as numbers or arrays; infinite ones of integers are in `unbounded_boxes`."""
    element = draw(st.sampled_from(ELEMENTS))
    shape = draw(SHAPES)
    pair = pairs_of(element)
    if draw(st.booleans()):
        low, high = draw(pair)
        if element.kind == "b" or math.isinf(low) or math.isinf(high):
            low, high = (np.full(shape, x, element.name) for x in (low, high))
    else:
        pairs = [draw(pair) for _ in range(math.prod(shape))]
        low, high = (array_of([p[i] for p in pairs], element, shape) for i in (0, 1))
    return built(lambda: gs.Box(low, high, shape, numpy_type(element)))


def built(make: Callable[[], Any]) -> Any:
    """What an older Gymnasium may refuse, such as bounds of uint64 beyond int64, is not drawn."""
    try:
        return make()
    except (AssertionError, OverflowError, TypeError, ValueError):
        return reject()


@st.composite
def unbounded_boxes(draw: st.DrawFn) -> gs.Box:
    """Boxes of signed integers with infinite bounds, which become those of the type."""
    element = draw(st.sampled_from([d for d in INTEGERS if d.kind == "i"]))
    low, high = (st.just(infinite) | integers_of(-100, 100) for infinite in (-math.inf, math.inf))
    shape = draw(SHAPES)
    # Gymnasium cannot cast an array with infinities to int64.
    if element.name == "int64" or draw(st.booleans()):
        sides: Any = sorted([draw(low), draw(high)])
    else:
        pairs = [sorted([draw(low), draw(high)]) for _ in range(math.prod(shape))]
        sides = [np.array([p[i] for p in pairs], np.float64).reshape(shape) for i in (0, 1)]
    return gs.Box(*sides, shape, numpy_type(element))


@st.composite
def discretes(draw: st.DrawFn) -> gs.Discrete:
    element = draw(st.sampled_from(INTEGERS)) if GYMNASIUM >= (1, 3) else DTYPES["int64"]
    low, high = element.limits
    start = draw(st.one_of(st.just(0), integers_of(low, high)))
    most = min(high - start + 1, high)
    n = draw(st.one_of(st.integers(1, min(most, FEW)), integers_of(1, most)))
    number = draw(st.sampled_from([int, numpy_type(element)]))
    if element.name == "int64":
        return gs.Discrete(number(n), start=number(start))
    return gs.Discrete(number(n), start=number(start), dtype=numpy_type(element))


@st.composite
def multi_discretes(draw: st.DrawFn) -> gs.MultiDiscrete:
    element = draw(st.sampled_from(INTEGERS))
    shape = draw(SHAPES)
    low, high = element.limits
    size = math.prod(shape)
    starts = [draw(st.one_of(st.just(0), integers_of(low, high))) for _ in range(size)]
    mosts = [min(high - x + 1, high) for x in starts]
    few = draw(st.booleans())
    counts = [draw(st.integers(1, min(m, FEW)) if few else integers_of(1, m)) for m in mosts]
    nvec, start = (array_of(x, element, shape) for x in (counts, starts))
    if any(starts) or draw(st.booleans()):
        return gs.MultiDiscrete(nvec, numpy_type(element), start=start)
    return gs.MultiDiscrete(nvec, numpy_type(element))


@st.composite
def texts(draw: st.DrawFn) -> gs.Text:
    charset: Any = draw(st.lists(CHARACTERS, min_size=1, max_size=8, unique=True))
    low = draw(st.integers(0, 3))
    high = low + draw(st.integers(0, 4))
    form = draw(st.sampled_from(["default", "str", "set"]))
    if form == "default":
        return gs.Text(high, min_length=low)
    given = "".join(charset) if form == "str" else frozenset(charset)
    return gs.Text(high, min_length=low, charset=given)


MULTI_BINARIES: Draw = st.one_of(
    st.integers(1, 4).map(gs.MultiBinary),
    st.lists(st.integers(1, 3), min_size=1, max_size=3).map(gs.MultiBinary),
    st.lists(st.integers(1, 3), min_size=1, max_size=2).map(np.array).map(gs.MultiBinary),
)
BOXES: Draw = st.one_of(boxes(), boxes(), unbounded_boxes())
LEAVES: Draw = st.one_of(BOXES, discretes(), multi_discretes(), texts(), MULTI_BINARIES)
FEATURES: Draw = st.one_of(BOXES, discretes())


def _dicts(children: Draw) -> Draw:
    plain = st.dictionaries(st.text(CHARACTERS, max_size=4), children, max_size=3)
    mixed = st.dictionaries(KEYS, children, max_size=3)
    return st.one_of(
        plain.map(gs.Dict),
        mixed.map(OrderedDict).map(gs.Dict),
        mixed.map(lambda x: gs.Dict(list(x.items()))),
        plain.map(lambda x: gs.Dict(**{f"k{key}": part for key, part in x.items()})),
        *([mixed.map(lambda x: gs.Dict(x, sort_keys=False))] if GYMNASIUM >= (1, 4) else []),
    )


def _composites(children: Draw) -> Draw:
    features = FEATURES
    if GYMNASIUM >= (1, 4):
        features = st.one_of(FEATURES, children.filter(_has_leaves))
    return st.one_of(
        _dicts(children),
        st.lists(children, max_size=3).map(gs.Tuple),
        st.lists(children, min_size=1, max_size=3).map(gs.OneOf),
        st.builds(gs.Sequence, children, stack=st.booleans()),
        st.builds(gs.Graph, features, st.none() | features),
    )


def _has_leaves(space: Any) -> bool:
    if isinstance(space, (gs.Dict, gs.Tuple)):
        parts = space.spaces.values() if isinstance(space, gs.Dict) else space.spaces
        return any(map(_has_leaves, parts))
    return True


@functools.cache
def gymnasium_spaces(leaves: Draw = LEAVES) -> Draw:
    """Any Gymnasium space that the contract has, nested a few levels."""
    return nested(leaves, _composites)


@st.composite
def twins(draw: st.DrawFn, within: Draw | None = None) -> tuple[Any, Any]:
    """Any native space that Gymnasium has, and Gymnasium's."""
    native = draw(spaces_of() if within is None else within)
    assume(EXACT or not _wraps(native))
    try:
        return native, spaces.to_gymnasium(native)
    except SpaceError:
        return reject()


def _wraps(space: Any) -> bool:
    """Whether the space has a Discrete of such a Gymnasium with an end beyond its dtype."""
    if isinstance(space, spaces.Discrete):
        return space.dtype.name != "int64" or space.start + space.n >= 2**63
    return any(_wraps(child) for _, child in space.children)


def masks_of(space: gs.Space[Any], probability: bool = False) -> Draw:
    """Masks of a space's `sample`, or its probabilities; None if it takes none."""
    for family, masks in _MASKS.items():
        if isinstance(space, family):
            return st.none() | masks(space, probability)
    return st.none()


def _choices(n: int, probability: bool) -> Draw:
    weights = st.lists(st.integers(0, 3), min_size=n, max_size=n)
    if not probability:
        return weights.map(lambda x: np.minimum(x, 1).astype(np.int8))
    return weights.filter(any).map(lambda x: np.array(x) / sum(x))


def _discrete_masks(space: gs.Discrete, probability: bool) -> Draw:
    return _choices(int(space.n), probability) if space.n <= FEW else st.none()


def _multi_binary_masks(space: gs.MultiBinary, probability: bool) -> Draw:
    size = math.prod(space.shape)
    bits: Draw = st.sampled_from([0.0, 0.25, 0.5, 1.0]) if probability else st.integers(0, 2)
    dtype = np.float64 if probability else np.int8
    numbers = st.lists(bits, min_size=size, max_size=size)
    return numbers.map(lambda x: np.array(x, dtype).reshape(space.shape))


def _multi_discrete_masks(space: gs.MultiDiscrete, probability: bool) -> Draw:
    if not space.nvec.ndim or (space.nvec > FEW).any():
        return st.none()

    def each(counts: Any) -> Draw:
        if isinstance(counts, list):
            return st.tuples(*map(each, counts))
        return _choices(counts, probability)

    return each(space.nvec.tolist())


def _text_masks(space: gs.Text, probability: bool) -> Draw:
    lengths = st.none() | st.integers(space.min_length, space.max_length)
    return st.tuples(lengths, st.none() | _choices(len(space.character_set), probability))


def _sequence_masks(space: gs.Sequence, probability: bool) -> Draw:
    some = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(np.array)
    lengths = st.none() | st.integers(0, 3) | some
    return st.tuples(lengths, masks_of(space.feature_space, probability))


def _graph_masks(space: gs.Graph, probability: bool) -> Draw:
    nodes = edges = st.none()
    if isinstance(space.node_space, gs.Discrete):
        # By default, a sampled graph has ten nodes.
        one = _discrete_masks(space.node_space, probability)
        nodes = st.tuples(*[one] * 10).filter(lambda x: x[0] is not None) | st.none()
    if isinstance(space.edge_space, gs.Discrete):
        edges = _discrete_masks(space.edge_space, probability)
    return st.tuples(nodes, edges)


def _all_masks(space: Any, probability: bool) -> Draw:
    return st.tuples(*[masks_of(part, probability) for part in space.spaces])


def _dict_masks(space: gs.Dict, probability: bool) -> Draw:
    parts = [masks_of(part, probability) for part in space.spaces.values()]
    return st.tuples(*parts).map(lambda x: dict(zip(space.spaces, x)))


_MASKS: dict[type, Callable[[Any, bool], Draw]] = {
    gs.Discrete: _discrete_masks,
    gs.MultiBinary: _multi_binary_masks,
    gs.MultiDiscrete: _multi_discrete_masks,
    gs.Text: _text_masks,
    gs.Dict: _dict_masks,
    gs.Tuple: _all_masks,
    gs.OneOf: _all_masks,
    gs.Sequence: _sequence_masks,
    gs.Graph: _graph_masks,
}
