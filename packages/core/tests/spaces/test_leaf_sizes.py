"""A leaf that no client would accept is refused when it is made, and when it is served."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.errors import SpaceError


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: spaces.Box(0, 1, (1,) * 32), "at most 31 dimensions, got 32"),
        (lambda: spaces.MultiBinary([1] * 32), "at most 31 dimensions, got 32"),
        (lambda: spaces.Box(0, 1, (2**26 + 1,)), "at most 268435456 bytes"),
        (lambda: spaces.Box(0, 1, (2**40, 0)), "at most 268435456 bytes"),
        (lambda: spaces.Dict({"é" * 32_769: spaces.Discrete(2)}), "at most 65536 bytes"),
    ],
)
def test_a_leaf_over_a_limit_is_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        make()


def test_a_leaf_at_the_limit_is_made() -> None:
    assert spaces.Box(0, 1, (1,) * 31).size == 1
    assert spaces.Box(0, 1, (2**26,)).shape == (2**26,)


def test_a_served_space_is_refused_with_its_path() -> None:
    gs, np = pytest.importorskip("gymnasium.spaces"), pytest.importorskip("numpy")
    from rlmesh import EnvServer

    class Env:
        action_space = spaces.Discrete(2)

        def __init__(self, leaf: Any) -> None:
            self.observation_space = gs.Dict({"a": gs.Tuple([leaf])})

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            raise NotImplementedError

        def step(self, action: Any) -> Any:
            raise NotImplementedError

        def close(self) -> None: ...

    for leaf in (gs.Box(0, 1, (1,) * 32), gs.Box(0, 1, (2,), np.longdouble)):
        with pytest.raises(SpaceError) as caught:
            EnvServer(Env(leaf))
        assert caught.value.path == "observation_space['a'][0]"
