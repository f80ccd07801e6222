"""Environments of Gymnasium that vectors are made of."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

__all__ = ["methods"]


class Methods(gym.Env[Any, Any]):
    """Has a method, and an attribute."""

    observation_space = gym.spaces.Discrete(5)
    action_space = gym.spaces.Discrete(2)
    level = 1

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return 0, {}

    def step(self, action: Any) -> Any:
        return 1, 1.0, False, False, {}

    def instruction(self) -> str:
        return "pick it up"


def methods() -> Methods:
    """One of them."""
    return Methods()
