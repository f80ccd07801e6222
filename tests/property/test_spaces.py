"""A space that goes out and comes back is the space, and its seeded sampler the sampler."""

from __future__ import annotations

import math
import pickle
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rlmesh_proto.spaces.v1 import space_pb2

from rlmesh import spaces
from rlmesh._wire.spaces import space_from_wire, space_to_wire
from rlmesh.errors import SpaceError
from tests.property.strategies import spaces_of

np = pytest.importorskip("numpy")
gs = pytest.importorskip("gymnasium.spaces")

from gymnasium.vector.utils import batch_space  # noqa: E402

from tests.property.gymnasium_strategies import (  # noqa: E402
    gymnasium_spaces,
    masks_of,
    twins,
)
from tests.property.sameness import identical, outcome, same_space  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*Box .* precision lowered.*")


def over_the_wire(space: Any) -> Any:
    message = space_pb2.Space()
    space_to_wire(space, message)
    again = space_pb2.Space.FromString(message.SerializeToString())
    return space_from_wire(again)


def flags(space: Any) -> list[Any]:
    """What equality does not compare of the dicts in a space."""
    inner = [flag for _, part in space.children for flag in flags(part)]
    return [getattr(space, "sort_keys", None), *inner]


@given(spaces_of())
def test_a_native_space_comes_back_equal(space: Any) -> None:
    again = over_the_wire(space)
    assert again == space and hash(again) == hash(space) and repr(again) == repr(space)
    assert flags(again) == flags(space)
    assert pickle.loads(pickle.dumps(space)) == space


@given(twins())
def test_a_native_space_comes_back_from_gymnasium(twin: tuple[Any, Any]) -> None:
    native, gymnasium = twin
    assert spaces.from_gymnasium(gymnasium) == native


@given(gymnasium_spaces())
def test_a_gymnasium_space_comes_back(space: Any) -> None:
    again = spaces.to_gymnasium(over_the_wire(spaces.from_gymnasium(space)))
    assert same_space(again, space)


def samples(space: Any, seed: int, **mask: Any) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of overflow, in some versions.
        seeds = space.seed(seed)
        return [seeds, *(outcome(lambda: space.sample(**mask)) for _ in range(3))]


@given(gymnasium_spaces(), st.integers(0, 2**31), st.data())
def test_a_rebuilt_space_samples_alike(space: Any, seed: int, data: st.DataObject) -> None:
    again = spaces.to_gymnasium(over_the_wire(spaces.from_gymnasium(space)))
    assert identical(samples(again, seed), samples(space, seed))
    for name in ("mask", "probability"):
        mask = {name: data.draw(masks_of(space, name == "probability"))}
        assert identical(samples(again, seed, **mask), samples(space, seed, **mask))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        batch, batch_again = (outcome(lambda s=s: batch_space(s, 2)) for s in (space, again))
    if isinstance(batch, gs.Space):
        assert identical(samples(batch_again, seed), samples(batch, seed))
    else:
        assert batch_again == batch


@pytest.mark.parametrize("dtype", ["int8", "int64"])
@pytest.mark.parametrize("shape", [(), (2,), (0, 3)])
@pytest.mark.parametrize(("low", "high"), [(-math.inf, math.inf), (-math.inf, 3), (-3, math.inf)])
def test_a_box_of_integers_without_bounds_samples_alike(
    dtype: str, shape: tuple[int, ...], low: float, high: float
) -> None:
    space = gs.Box(low, high, shape, dtype)
    again = spaces.to_gymnasium(over_the_wire(spaces.from_gymnasium(space)))
    assert same_space(again, space)
    assert identical(samples(again, 0), samples(space, 0))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(256, dtype="uint8"),
        spaces.Discrete(2**63, start=-(2**63)),
        spaces.Discrete(200, start=-100, dtype="int8"),
        spaces.MultiBinary(0),
        spaces.Box(0, 1, (1,), "bfloat16"),
        spaces.Dict({"a": spaces.Tuple([spaces.Discrete(129, start=-1, dtype="int8")])}),
    ],
    ids=repr,
)
def test_what_gymnasium_has_not_is_refused(space: Any) -> None:
    with pytest.raises(SpaceError, match="Gymnasium has no equal of"):
        spaces.to_gymnasium(space)
