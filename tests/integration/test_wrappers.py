"""Gymnasium's wrappers over a client return what they return over the environment itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import wrappers
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import vector as vector_wrappers

from rlmesh import EnvServer
from rlmesh.errors import ClosedError
from rlmesh.numpy import RemoteEnv, RemoteVectorEnv
from tests.property.gymnasium_strategies import GYMNASIUM

pytestmark = pytest.mark.filterwarnings("ignore")

Wrap = Callable[[Any], Any]

SINGLE: dict[str, Wrap] = {
    "statistics": wrappers.RecordEpisodeStatistics,
    "time limit": lambda env: wrappers.TimeLimit(env, 9),
    "frame stack": lambda env: wrappers.FrameStackObservation(env, 3),
    "normalize": lambda env: wrappers.NormalizeReward(wrappers.NormalizeObservation(env)),
    "autoreset": lambda env: wrappers.RecordEpisodeStatistics(wrappers.Autoreset(env)),
    "delay": lambda env: wrappers.DelayObservation(env, 2),
    "skip": lambda env: wrappers.MaxAndSkipObservation(env, 2),
    "time": wrappers.TimeAwareObservation,
}

VECTOR: dict[str, Wrap] = {
    "statistics": vector_wrappers.RecordEpisodeStatistics,
    "normalize": lambda env: vector_wrappers.NormalizeReward(
        vector_wrappers.NormalizeObservation(env)
    ),
    "list of infos": lambda env: vector_wrappers.DictInfoToList(
        vector_wrappers.RecordEpisodeStatistics(env)
    ),
    "clip": lambda env: vector_wrappers.ClipReward(env, -1, 0.5),
}


def without_time(info: Any) -> Any:
    """Leave out the seconds of an episode's statistics."""
    if isinstance(info, list):
        return [without_time(one) for one in info]
    if isinstance(info, dict):
        return {k: without_time(v) for k, v in info.items() if k not in ("t", "_t")}
    return info


def kept(result: Any) -> Any:
    """Copy a result, whose arrays a wrapper may write to later."""
    *values, info = result
    return [np.array(value) for value in values], without_time(info)


def rolled(env: Any, steps: int = 50) -> list[Any]:
    env.action_space.seed(3)
    results = [kept(env.reset(seed=5))]
    for _ in range(steps):
        result = env.step(env.action_space.sample())
        results.append(kept(result))
        done = np.asarray(result[2]) | np.asarray(result[3])
        if isinstance(env, gym.Env):
            if done and "Autoreset" not in str(env):
                results.append(kept(env.reset()))
        elif done.any() and env.unwrapped.metadata["autoreset_mode"] is AutoresetMode.DISABLED:
            results.append(kept(env.reset(options={"reset_mask": done})))
    return results


def same(want: list[Any], got: list[Any]) -> None:
    assert len(want) == len(got)
    for (values, info), (others, other) in zip(want, got):
        for value, array in zip(values, others):
            assert value.tobytes() == array.astype(value.dtype).tobytes()
        assert data_equivalence(info, other)


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1"])
def test_a_wrapped_client_is_the_wrapped_environment(env_id: str, name: str) -> None:
    local = SINGLE[name](gym.make(env_id))
    want = rolled(local)
    local.close()
    with EnvServer(gym.make(env_id)) as server, RemoteEnv(server.address) as remote:
        same(want, rolled(SINGLE[name](remote)))


@pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.name)
@pytest.mark.parametrize("name", VECTOR)
def test_a_wrapped_vector_is_the_wrapped_vector(name: str, mode: AutoresetMode) -> None:
    def vector() -> Any:
        lanes = [lambda: gym.make("CartPole-v1", max_episode_steps=13)] * 3
        return SyncVectorEnv(lanes, autoreset_mode=mode)

    if name == "normalize" and mode is not AutoresetMode.NEXT_STEP:
        pytest.skip("the wrapper refuses this mode")
    if name != "clip" and mode is AutoresetMode.DISABLED:
        pytest.skip("Gymnasium's vector takes the mask from the options before the wrapper sees it")
    if name == "list of infos" and GYMNASIUM < (1, 2):
        pytest.skip("Gymnasium's wrapper does not take the infos of its other wrapper")
    want = rolled(VECTOR[name](vector()))
    with EnvServer(vector()) as server, RemoteVectorEnv(server.address) as remote:
        same(want, rolled(VECTOR[name](remote)))


@pytest.mark.parametrize("library", ["numpy", "torch", "jax"])
def test_a_vector_client_is_closed_by_with(library: str) -> None:
    pytest.importorskip(f"rlmesh_{library}")
    client = importlib.import_module(f"rlmesh.{library}").RemoteVectorEnv
    with EnvServer([lambda: gym.make("CartPole-v1")] * 2) as server:
        for _ in range(2):
            with client(server.address) as remote:
                remote.reset(seed=0)
            with pytest.raises(ClosedError):
                remote.reset()
