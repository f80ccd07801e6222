"""Environments of the fault bench: every answer depends on every step before it."""

from __future__ import annotations

import os
import random
from typing import Any

import rlmesh

__all__ = ["WalkEnv", "WideWalkEnv"]

_STATES = 2**31


class WalkEnv:
    """A seeded walk with a state that hashes all actions since the reset.

    Its info has the number of steps that were ever applied, so that one too many shows.
    """

    observation_space = rlmesh.spaces.Discrete(_STATES)
    action_space = rlmesh.spaces.Discrete(1000)

    def __init__(self) -> None:
        self._random = random.Random(0)
        self._state = 0
        self._applied = 0

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[int, dict[str, Any]]:
        if seed is not None:
            self._random = random.Random(seed)
        self._state = self._random.randrange(_STATES)
        return self._state, {"pid": os.getpid()}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        self._applied += 1
        draw = self._random.random()
        self._state = (self._state * 1_103_515_245 + action * 12_345 + self._applied) % _STATES
        return self._state, draw, draw < 0.01, False, {"applied": self._applied}

    def close(self) -> None:
        pass


class WideWalkEnv(WalkEnv):
    """The same walk, seen as an image that is large enough for shared memory."""

    observation_space = rlmesh.spaces.Box(0, 255, (20_000,), "uint8")  # type: ignore[assignment]

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        state, info = super().reset(seed, options)
        return self._seen(state), info

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        state, *rest = super().step(action)
        return (self._seen(state), *rest)  # type: ignore[return-value]

    def _seen(self, state: int) -> rlmesh.Tensor:
        return rlmesh.Tensor(state.to_bytes(4, "little") * 5_000, "uint8", (20_000,))
