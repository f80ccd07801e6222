"""The environments of the cases, which cost little, so that the transport dominates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import gymnasium
import numpy
from gymnasium import spaces

from benchmarks.peers.cases import Case

__all__ = ["actions", "array_bytes", "leaves", "make", "rebuild", "step_bytes"]

LENGTHS = (16, 14, 18, 16)
"""Lengths of variable values, in turns; the first is the mean."""

RING = len(LENGTHS)
"""Number of observations that an environment returns in turn; no side keeps more than one."""


def make(case: Case) -> Any:
    """Return the environment of a case, or the vector."""
    if case.env == "cartpole":
        return gymnasium.make("CartPole-v1")
    if case.env == "cartpoles":
        return gymnasium.make_vec("CartPole-v1", num_envs=case.count, vectorization_mode="sync")
    if case.env == "lanes":
        return LanesEnv(case.count)
    if case.env == "pong":
        return gymnasium.vector.SyncVectorEnv([_pong] * case.count)
    action_space = _floats(14) if case.env == "robot" else spaces.Discrete(2)
    return RingEnv(_OBSERVED[case.env](), action_space)


def _pong() -> Any:
    """Return Pong as agents commonly see it: the last four of every fourth screen, in gray."""
    import ale_py  # pants: no-infer-dep

    gymnasium.register_envs(ale_py)
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    screens = gymnasium.make("ALE/Pong-v5", frameskip=1)
    wrapped = gymnasium.wrappers.AtariPreprocessing(screens, noop_max=0)
    return gymnasium.wrappers.FrameStackObservation(wrapped, 4)


def _image(*shape: int) -> spaces.Box:
    return spaces.Box(0, 255, shape, numpy.uint8)


def _floats(*shape: int, bound: float = 1) -> spaces.Box:
    return spaces.Box(-bound, bound, shape, numpy.float32)


def _robot() -> spaces.Dict:
    cameras = {name: _image(480, 640, 3) for name in ("top", "wrist")}
    return spaces.Dict({**cameras, "state": _floats(14, bound=10)})


_OBSERVED: dict[str, Callable[[], spaces.Space[Any]]] = {
    "frame-84": lambda: _image(84, 84, 3),
    "frame-480": lambda: _image(480, 640, 3),
    "robot": _robot,
    "8-mib": lambda: _image(8 << 20),
    "64-mib": lambda: _image(64 << 20),
    "sequence": lambda: spaces.Sequence(_floats(3)),
    "graph": lambda: spaces.Graph(_floats(4), _floats(2)),
}
"""Spaces by case; made on demand, because a Box holds all bounds and every program forks."""


class RingEnv(gymnasium.Env[Any, Any]):
    """An environment that returns prepared observations; each step writes its number into one."""

    def __init__(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
    ) -> None:
        self.observation_space = observation_space
        self.action_space = action_space
        generator = numpy.random.default_rng(7)
        self._ring = [_random(observation_space, generator, length) for length in LENGTHS]
        self._stamps = [_first(observation)[:1] for observation in self._ring]
        self._number = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self._number = 0
        return self._next(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self._next(), 1.0, False, False, {}

    def _next(self) -> Any:
        slot = self._number % RING
        self._stamps[slot][0] = self._number % 2
        self._number += 1
        return self._ring[slot]


class LanesEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """A vector with lanes of 84x84x4 uint8, each slab written anew."""

    metadata: ClassVar[dict[str, Any]] = {
        "autoreset_mode": gymnasium.vector.AutoresetMode.NEXT_STEP
    }

    def __init__(self, lanes: int) -> None:
        self.num_envs = lanes
        self.single_observation_space = _image(84, 84, 4)
        self.single_action_space = spaces.Discrete(2)
        self.observation_space = gymnasium.vector.utils.batch_space(
            self.single_observation_space, lanes
        )
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, lanes)
        shape = (lanes, 84, 84, 4)
        self._base = numpy.random.default_rng(7).integers(0, 256, shape, numpy.uint8)
        self._slabs = [numpy.empty_like(self._base) for _ in range(RING)]
        self._number = 0

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self._number = 0
        return self._next(), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        ended = numpy.zeros(self.num_envs, bool)
        return self._next(), numpy.ones(self.num_envs), ended, ended.copy(), {}

    def _next(self) -> Any:
        self._number += 1
        slab = self._slabs[self._number % RING]
        return numpy.bitwise_xor(self._base, numpy.uint8(self._number % 256), out=slab)


def _random(space: spaces.Space[Any], generator: numpy.random.Generator, length: int) -> Any:
    """Return a writable observation; `space.sample()` of 64 MiB would take seconds."""
    if isinstance(space, spaces.Dict):
        return {name: _random(part, generator, length) for name, part in space.items()}
    if isinstance(space, spaces.Sequence):
        return tuple(_random(space.feature_space, generator, 0) for _ in range(length))
    if isinstance(space, spaces.Graph):
        nodes, edges = (
            generator.random((n, k), numpy.float32) for n, k in ((length, 4), (2 * length, 2))
        )
        links = generator.integers(0, length, (2 * length, 2), numpy.int32)
        return spaces.GraphInstance(nodes, edges, links)
    assert isinstance(space, spaces.Box)
    if space.dtype == numpy.uint8:
        block = generator.integers(0, 256, min(1 << 20, math.prod(space.shape)), numpy.uint8)
        return numpy.resize(block, space.shape)
    return generator.random(space.shape, numpy.float32)


def _first(observation: Any) -> Any:
    """Return all elements of the first array, as a view."""
    return leaves(observation)[0].reshape(-1)


def leaves(observation: Any) -> list[Any]:
    """Return the arrays of an observation, in order."""
    if isinstance(observation, dict):
        return list(observation.values())
    if isinstance(observation, tuple):  # A Sequence, or the named tuple of a Graph.
        return list(observation)
    return [observation]


def rebuild(like: Any, arrays: list[Any]) -> Any:
    """Return the observation from its `leaves`; `like` is an observation of the same space."""
    if isinstance(like, dict):
        return dict(zip(like, arrays))
    if isinstance(like, spaces.GraphInstance):
        return spaces.GraphInstance(*arrays)
    return tuple(arrays) if isinstance(like, tuple) else arrays[0]


def actions(case: Case) -> list[Any]:
    """Return two actions to take in turns, with which CartPole stays up for a while."""
    if case.kind == "vector":
        return [numpy.full(case.count, action, numpy.int64) for action in (0, 1)]
    if case.env == "robot":
        return [numpy.full(14, value, numpy.float32) for value in (-0.5, 0.5)]
    return [0, 1]


def array_bytes(observation: Any) -> int:
    """Return the size of an observation's arrays in bytes."""
    return sum(array.nbytes for array in leaves(observation))


def step_bytes(case: Case, observation: Any) -> tuple[int, int]:
    """Return the bytes that a step sends and receives: arrays, a float64 and two flags a lane."""
    lanes = case.count if case.kind == "vector" else 1
    sent = numpy.asarray(actions(case)[0]).nbytes
    return sent, array_bytes(observation) + lanes * 10
