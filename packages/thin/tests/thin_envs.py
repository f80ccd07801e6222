"""Environments of the thin host's tests, of old gym, of Gymnasium and of no library."""

from __future__ import annotations

import collections
import os
import random
import threading
import time
from typing import Any

import gymnasium
import numpy as np

__all__ = ["Bare", "Crashing", "New", "Old", "OnMainThread", "Walk", "Wrapper", "spaces_of_bare"]


class Old:
    """An environment of old gym: bare resets, `seed()`, four values, `render(mode=)`."""

    observation_space = gymnasium.spaces.Box(-100, 100, (2,), np.float64)
    action_space = gymnasium.spaces.Discrete(3)
    reward_range = (-1.0, 1.0)

    def __init__(self, length: int = 3, info: Any = None) -> None:
        self.metadata = {"render.modes": ["rgb_array"], "video.frames_per_second": 30}
        self.length = length
        self.info = info or {}
        self.seeded: Any = None
        self.steps = 0

    def seed(self, seed: Any = None) -> list[Any]:
        self.seeded = seed
        return [seed]

    def reset(self) -> Any:
        self.steps = 0
        return np.array([float(self.seeded or 0), 0.0])

    def step(self, action: Any) -> tuple[Any, ...]:
        if action == 2:
            raise ValueError("the action 2 is broken")
        self.steps += 1
        done = self.steps == self.length
        return np.array([float(action), float(self.steps)]), 0.5, done, dict(self.info)

    def render(self, mode: str = "human") -> Any:
        return np.full((2, 3, 3), 7, np.uint8) if mode == "rgb_array" else None

    def instruction(self, style: str = "plain") -> str:
        return f"pick ({style})"


class Wrapper:
    """A wrapper as old gym has them: it passes everything on."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def __getattr__(self, name: str) -> Any:
        return getattr(self.env, name)

    def reset(self, **kwargs: Any) -> Any:
        return self.env.reset(**kwargs)

    def step(self, action: Any) -> Any:
        return self.env.step(action)

    def render(self, mode: str = "human", **kwargs: Any) -> Any:
        return self.env.render(mode, **kwargs)


class New(gymnasium.Env[Any, Any]):
    """An environment of Gymnasium with everything that `reset` takes."""

    observation_space = gymnasium.spaces.Dict(
        {
            "image": gymnasium.spaces.Box(0, 255, (2, 2, 3), np.uint8),
            "n": gymnasium.spaces.Discrete(9),
        }
    )
    action_space = gymnasium.spaces.Discrete(3)
    render_mode = "ansi"

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.steps = 0
        return self._seen(), {"seed": seed, "options": options}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        return self._seen(), np.float32(1.5), np.bool_(False), self.steps == 4, {}  # type: ignore[return-value]

    def _seen(self) -> Any:
        return {"n": self.steps, "image": np.full((2, 2, 3), self.steps, np.uint8)}

    def render(self) -> Any:
        return "drawn"


class Bare:
    """An environment without spaces, as robosuite has them: `action_spec`, and dicts of arrays."""

    action_spec = (np.array([-1.0, -2.0]), np.array([1.0, 2.0]))

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = (2, 2, 3)

    def reset(self) -> Any:
        return self._seen(0.0)

    def step(self, action: Any) -> tuple[Any, ...]:
        return self._seen(float(action.sum())), np.array([1.0]), False, {}

    def _seen(self, position: float) -> Any:
        image = np.zeros(self.shape, np.uint8)
        return collections.OrderedDict(
            position=np.array([position]), image=image, count=np.int64(3)
        )


def spaces_of_bare(env: Any) -> tuple[Any, Any]:
    """The spaces of `Bare`, as `--spaces` names them."""
    box = gymnasium.spaces.Box
    parts = {
        "position": box(-10, 10, (1,), np.float64),
        "image": box(0, 255, (2, 2, 3), np.uint8),
        "count": gymnasium.spaces.Discrete(5),
    }
    return gymnasium.spaces.Dict(parts), None


class Walk(gymnasium.Env[Any, Any]):
    """A seeded walk with a state that hashes all actions since the reset, so that one more shows.

    Args:
        delay: Seconds that each step takes.
    """

    observation_space = gymnasium.spaces.Discrete(2**31)
    action_space = gymnasium.spaces.Discrete(1000)

    def __init__(self, delay: float = 0.0) -> None:
        self._delay = delay
        self._draws = random.Random(0)
        self._state = 0
        self._applied = 0

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self._draws = random.Random(seed)
        self._state = self._draws.randrange(2**31)
        return self._state, {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        time.sleep(self._delay)
        self._applied += 1
        draw = self._draws.random()
        mixed = self._state * 1_103_515_245 + int(action) * 12_345 + self._applied
        self._state = mixed % 2**31
        return self._state, draw, draw < 0.01, False, {"applied": self._applied}


class Crashing(Walk):
    """The same walk; its process ends at the action 999."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if action == 999:
            os._exit(3)
        return (*super().step(action)[:4], {"pid": os.getpid()})


class OnMainThread(Walk):
    """A walk that works on the main thread alone, as rendering by EGL does."""

    def __init__(self) -> None:
        self._check()
        super().__init__()

    def _check(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("called by another thread")

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self._check()
        return super().reset(seed=seed)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._check()
        return super().step(action)

    def render(self) -> Any:
        self._check()
        return np.zeros((2, 2, 3), np.uint8)
