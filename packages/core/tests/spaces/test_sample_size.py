"""Spaces of peers that have no bounded samples, or too large ones, where actions are random."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rlmesh import spaces
from rlmesh._cli.random_driver import RandomDriver
from rlmesh._policy.random_sample import Sampler
from rlmesh.backends import NATIVE
from rlmesh.errors import SpaceError


def nested(depth: int, **given: Any) -> Any:
    space: Any = spaces.Discrete(2)
    for _ in range(depth):
        space = spaces.Sequence(space, **given)
    return space


def graphs(depth: int) -> Any:
    space: Any = spaces.Discrete(2)
    for _ in range(depth):
        space = spaces.Graph(space, space)
    return space


HUGE = [
    nested(22),
    nested(22, stack=True),
    graphs(5),
    spaces.Text(2**32 - 1, min_length=2**32 - 1),
    spaces.Text(2**32 - 1),
    spaces.Box(-1.0, 1.0, (2**26,), "float32"),
    spaces.MultiBinary(2**28),
    spaces.Sequence(spaces.Box(0.0, 1.0, (2**21,), "float32")),
    spaces.OneOf([spaces.Discrete(2), nested(12)]),
    spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Tuple([nested(20)])}),
]


def driver_of(space: Any, lanes: int = 1) -> RandomDriver:
    contract = SimpleNamespace(
        vector=lanes > 1, num_envs=lanes, autoreset_mode=None, action_space=space
    )
    return RandomDriver(SimpleNamespace(env_contract=contract), 0)


@pytest.mark.parametrize("space", HUGE, ids=lambda space: type(space).__name__)
def test_random_actions_of_huge_spaces_are_refused(space: Any) -> None:
    with pytest.raises(SpaceError, match=r"expected random values with at most .* elements"):
        driver_of(space)
    with pytest.raises(SpaceError, match="model of your own"):
        Sampler(space, NATIVE)


def test_the_lanes_of_a_vector_count() -> None:
    image = spaces.Box(0, 255, (84, 84, 3), "uint8")
    driver_of(image, 128).action()
    with pytest.raises(SpaceError):
        driver_of(image, 65_536)


@pytest.mark.parametrize(
    "space",
    [nested(3), graphs(1), spaces.Text(1000), spaces.Box(0, 255, (480, 640, 3), "uint8")],
    ids=lambda space: type(space).__name__,
)
def test_others_are_drawn(space: Any) -> None:
    assert driver_of(space).action() in space
    Sampler(space, NATIVE)
