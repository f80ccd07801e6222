"""A policy learns over a remote vector what it learns over the local one, number by number."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest

from rlmesh import EnvServer
from rlmesh.numpy import RemoteVectorEnv

sb3: Any = pytest.importorskip("stable_baselines3")

from stable_baselines3.common.vec_env import VecEnv  # noqa: E402

LANES = 4


@pytest.fixture(autouse=True)
def transport() -> str:
    """One is enough: the others carry the same values."""
    return "frames"


def vector() -> Any:
    return gymnasium.make_vec(
        "CartPole-v1",
        num_envs=LANES,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP},
    )


class Lanes(VecEnv):
    """A Gymnasium vector, local or remote, as Stable-Baselines3 takes one."""

    def __init__(self, env: Any) -> None:
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self._env = env
        self._returns = np.zeros(env.num_envs)
        self.curve: list[float] = []

    def reset(self) -> Any:
        return self._env.reset(seed=7)[0]

    def step_async(self, actions: Any) -> None:
        self._actions = actions

    def step_wait(self) -> Any:
        observations, rewards, terminated, truncated, info = self._env.step(self._actions)
        done = terminated | truncated
        self._returns += rewards
        self.curve += self._returns[done].tolist()
        self._returns[done] = 0
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for lane in np.flatnonzero(done):
            infos[lane]["terminal_observation"] = info["final_obs"][lane]
            infos[lane]["TimeLimit.truncated"] = bool(truncated[lane] and not terminated[lane])
        return observations, rewards.astype(np.float32), done, infos

    def close(self) -> None:
        self._env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kw: Any) -> Any:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


def learned(env: Any) -> tuple[list[float], list[Any]]:
    """Returns of the episodes in order, and the parameters at the end."""
    lanes = Lanes(env)
    model = sb3.PPO(
        "MlpPolicy", lanes, n_steps=128, batch_size=64, n_epochs=4, seed=3, device="cpu"
    )
    model.learn(2_048)
    parameters = [p.detach().numpy().copy() for p in model.policy.parameters()]
    lanes.close()
    return lanes.curve, parameters


@pytest.mark.slow
def test_ppo_learns_the_same() -> None:
    want, wanted = learned(vector())
    with EnvServer(vector()) as server:
        got, gotten = learned(RemoteVectorEnv(server.address))
    assert got == want and len(got) > 20
    assert np.mean(got[-10:]) > np.mean(got[:10])  # It is learning.
    for mine, theirs in zip(gotten, wanted):
        np.testing.assert_array_equal(mine, theirs)
