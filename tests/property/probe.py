"""An environment of any spaces, and what its values are to a client."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gymnasium as gym
import gymnasium.spaces as gs
import numpy as np

__all__ = ["ProbeEnv", "received", "received_batch"]

REWARDS = (0.5, -0.0, float("nan"), float("inf"), 3, True, np.float32(0.1), np.int64(-7))
FLAGS = (False, np.False_, 0, False, np.bool_(False), 1)


class ProbeEnv(gym.Env[Any, Any]):
    """Everything that it returns follows from its seeds and calls.

    Options: "length" of the episode; "fault", the step that raises. Infos have the arguments.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 12, "tag": (1, "x")}  # noqa: RUF012
    render_mode = "rgb_array"

    def __init__(self, observation_space: gs.Space[Any], action_space: gs.Space[Any]) -> None:
        self.observation_space = deepcopy(observation_space)
        self.action_space = deepcopy(action_space)
        self.steps, self.length, self.fault = 0, 0, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        given = options or {}
        self.steps, self.length, self.fault = 0, given.get("length", 4), given.get("fault", 0)
        return self.observation_space.sample(), {"seed": seed, "options": options}

    def step(self, action: Any) -> Any:
        self.steps += 1
        observation = self.observation_space.sample()
        if self.steps == self.fault:
            raise LookupError(f"step {self.steps} of {self.length}: ü'\n")
        reward = REWARDS[self.np_random.integers(len(REWARDS))]
        terminated = FLAGS[self.np_random.integers(len(FLAGS))]
        return observation, reward, terminated, self.steps >= self.length, self.info(action)

    def info(self, action: Any) -> dict[str, Any]:
        draw = self.np_random.random
        info: dict[str, Any] = {"action": action, "steps": self.steps, "array": draw((2, 3))}
        if draw() < 0.5:
            info["typed"] = np.float32(draw())
        if draw() < 0.3:
            info["nested"] = {"deep": draw(2).astype(np.float16), "text": "é", "count": np.int8(3)}
        if self.steps >= self.length:
            info["episode"] = {"length": self.steps, "return": draw()}
        return info

    def render(self) -> Any:
        return (self.np_random.random((3, 2, 3)) * 255).astype(np.uint8)


def received(space: gs.Space[Any], value: Any, library: str = "numpy") -> Any:
    """A sample of the space as a client gets it, with NumPy's arrays for those of its library.

    In NumPy integers have the space's type, as in samples; in other libraries they are Python's.
    """
    if isinstance(space, gs.Discrete):
        return space.dtype.type(value) if library == "numpy" else int(value)
    if isinstance(space, gs.OneOf):
        index = np.int64(value[0]) if library == "numpy" else int(value[0])
        return index, received(space.spaces[value[0]], value[1], library)
    if isinstance(space, gs.Dict):
        return {key: received(part, value[key], library) for key, part in space.spaces.items()}
    if isinstance(space, gs.Tuple):
        return tuple(received(part, x, library) for part, x in zip(space.spaces, value))
    if isinstance(space, gs.Sequence):
        if space.stack:
            return received_batch(space.feature_space, value, library)
        return tuple(received(space.feature_space, part, library) for part in value)
    if isinstance(space, (gs.Box, gs.MultiDiscrete, gs.MultiBinary)):
        return np.asarray(value, space.dtype)
    if isinstance(space, gs.Graph):
        nodes = received_batch(space.node_space, value.nodes, library)
        edges = value.edges
        if edges is not None:
            edges = received_batch(space.edge_space, edges, library)
        return gs.GraphInstance(nodes, edges, value.edge_links)
    return value


def received_batch(space: gs.Space[Any], batch: Any, library: str = "numpy") -> Any:
    """A batch of samples as a client gets it."""
    if isinstance(space, gs.Dict):
        return {k: received_batch(part, batch[k], library) for k, part in space.spaces.items()}
    if isinstance(space, gs.Tuple):
        return tuple(received_batch(part, x, library) for part, x in zip(space.spaces, batch))
    if isinstance(space, (gs.Box, gs.Discrete, gs.MultiDiscrete, gs.MultiBinary)):
        return np.asarray(batch, space.dtype)
    return tuple(received(space, part, library) for part in batch)
