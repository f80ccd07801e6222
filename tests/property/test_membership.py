"""Native spaces beside Gymnasium's: members, near-members, flat sizes and batches."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from rlmesh import spaces
from rlmesh._codec import SpaceCodec
from rlmesh.backends import NATIVE
from tests.property.strategies import has_leaves, values_of

np = pytest.importorskip("numpy")
gs = pytest.importorskip("gymnasium.spaces")

from gymnasium.vector.utils import concatenate, create_empty_array  # noqa: E402

from rlmesh.numpy import BACKEND  # noqa: E402
from tests.property.gymnasium_strategies import EXACT, twins  # noqa: E402
from tests.property.near import near_members  # noqa: E402
from tests.property.sameness import as_numpy, identical  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Gymnasium's, of values that it casts.


def verdict(space: Any, value: Any) -> bool:
    """Gymnasium's verdict; False if it raises, because it did not foresee such a value."""
    try:
        return bool(space.contains(value))
    except Exception:
        return False


def is_stackable(space: Any) -> bool:
    """Whether Gymnasium sees the elements of a stack: there are leaves, and none is a scalar."""
    scalar = isinstance(space, spaces.MultiDiscrete) and not space.shape
    return has_leaves(space) and not scalar


def each(space: Any) -> list[Any]:
    """A space and all that it is made of."""
    return [space, *(part for _, child in space.children for part in each(child))]


def stacked(space: Any) -> list[Any]:
    """The spaces of the elements that are stacked somewhere in a space."""
    return [s.feature_space for s in each(space) if isinstance(s, spaces.Sequence) and s.stack]


def features(space: Any) -> list[Any]:
    """The feature spaces of the graphs in a space, whose values are stacks too."""
    graphs = [s for s in each(space) if isinstance(s, spaces.Graph)]
    return [s for graph in graphs for s in (graph.node_space, graph.edge_space) if s is not None]


TWINS = twins().filter(
    lambda twin: all(
        is_stackable(part) for s in (*stacked(twin[0]), *features(twin[0])) for part in each(s)
    )
)


@given(TWINS, st.data())
def test_members_are_members(twin: tuple[Any, Any], data: st.DataObject) -> None:
    native, gymnasium = twin
    value = data.draw(values_of(native, inside=True))
    assert native.contains(value)
    assert native.contains(as_numpy(value))
    assert verdict(gymnasium, as_numpy(value))


@pytest.mark.skipif(not EXACT, reason="Gymnasium before 1.3 lets unsafe casts in")
@given(TWINS, st.data())
def test_both_take_the_same_near_members(twin: tuple[Any, Any], data: st.DataObject) -> None:
    native, gymnasium = twin
    inside = data.draw(st.booleans())
    value = data.draw(near_members(as_numpy(data.draw(values_of(native, inside)))))
    expected = verdict(gymnasium, value)
    event(f"contained: {expected}")
    if not native.contains(value) and expected:
        assert is_lax(native, value)
    else:
        assert native.contains(value) is expected


def is_lax(space: Any, value: Any) -> bool:
    """Whether Gymnasium takes such values, which are none, of such a space.

    Anything without elements is an empty stack to it, whatever its type and shape; of a stacked
    dict or tuple it looks at the parts that it expects; anything is true or false.
    """
    stacks = [*stacked(space), *(s for s in each(space) if isinstance(s, spaces.Graph))]
    parted = any(isinstance(s, (spaces.Dict, spaces.Tuple)) for s in stacks)
    bools = any(isinstance(s, spaces.Box) and s.dtype.kind == "b" for s in each(space))
    return bools or parted or (bool(stacks) and has_nothing(value))


def has_nothing(value: Any) -> bool:
    """Whether something without elements is somewhere in the value."""
    if isinstance(value, np.ndarray):
        return value.size == 0
    if isinstance(value, dict):
        return not value or any(map(has_nothing, value.values()))
    if isinstance(value, (list, tuple)):
        return not value or any(map(has_nothing, value))
    return isinstance(value, (str, bytes)) and not value


@given(twins())
def test_flat_sizes_agree(twin: tuple[Any, Any]) -> None:
    native, gymnasium = twin
    try:
        expected: Any = gs.flatdim(gymnasium)
    except ValueError:
        expected = None
    if expected is None:
        with pytest.raises(ValueError, match="size"):
            spaces.flatdim(native)
    else:
        # Gymnasium adds the choices of a MultiDiscrete up in 64 bits, which wrap around.
        ours = spaces.flatdim(native)
        assert ours == expected or ours >= 2**63


@given(twins(), st.data())
def test_a_batch_is_gymnasiums_own(twin: tuple[Any, Any], data: st.DataObject) -> None:
    native, gymnasium = twin
    values = data.draw(st.lists(values_of(native, inside=True), min_size=1, max_size=3))
    slabs = SpaceCodec(native, NATIVE).encode_values(values)
    codec = SpaceCodec(native, BACKEND)
    decoded = codec.decode_values(slabs, len(values))
    out = create_empty_array(gymnasium, len(values))
    expected = concatenate(gymnasium, decoded, out)
    batch = codec.decode_batch(slabs, len(values))
    assert identical(batch, expected)
    assert codec.encode_batch(expected, len(values)) == slabs
    assert shapes(SpaceCodec(native, NATIVE).decode_batch(slabs, len(values))) == shapes(batch)


def shapes(batch: Any) -> Any:
    """The shapes of the arrays of a batch, structured as it is."""
    if isinstance(batch, dict):
        return {key: shapes(part) for key, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(map(shapes, batch))
    if isinstance(batch, np.integer):  # The index of a OneOf, natively Python's.
        return int
    return tuple(batch.shape) if hasattr(batch, "shape") else type(batch)
