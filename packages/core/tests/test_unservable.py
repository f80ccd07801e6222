"""What is passed as an environment by mistake is named, with what to pass instead."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh import EnvServer, spaces


class Walk:
    observation_space = action_space = spaces.Discrete(2)

    def reset(self, **_: Any) -> Any:
        return 0, {}

    def step(self, action: Any) -> Any:
        return 0, 0.0, False, False, {}

    def close(self) -> None: ...


def make_walk() -> Walk:
    return Walk()


class ParallelEnv:
    possible_agents = ("a", "b")
    observation_spaces = action_spaces = {"a": spaces.Discrete(2)}  # noqa: RUF012


class ParallelWalk(Walk):
    possible_agents = ("a", "b")
    observation_spaces: Any = {}  # noqa: RUF012


class DmWalk(Walk):
    def observation_spec(self) -> Any: ...
    def action_spec(self) -> Any: ...


class AecEnv:
    def agent_iter(self) -> Any: ...


class DmEnv:
    def observation_spec(self) -> Any: ...
    def action_spec(self) -> Any: ...


class Pool:
    def step(self, action: Any) -> Any: ...

    all_env_ids = (0, 1)

    def send(self, action: Any) -> None: ...
    def recv(self) -> Any: ...


class VecEnv:
    num_envs = 2

    def step_async(self, actions: Any) -> None: ...
    def step_wait(self) -> Any: ...
    def env_method(self, name: str) -> Any: ...


OldEnv = type("OldEnv", (), {"__module__": "gym.envs.toy", "step": len})

MISTAKES: list[tuple[Any, str]] = [
    (Walk, r"it is the class Walk; pass an instance, EnvServer\(Walk\(\)\), or factory=Walk"),
    (make_walk, r"it is a function; pass factory=make_walk, or .*EnvServer\(make_walk\(\)\)"),
    (lambda: Walk(), r"it is a function; pass factory="),
    ("CartPole-v1", r"the text 'CartPole-v1'; pass gymnasium.make\('CartPole-v1'\)"),
    (ParallelEnv(), "ParallelEnv is a multi-agent environment"),
    (AecEnv(), "AecEnv is a multi-agent environment"),
    (DmEnv(), "DmEnv is a dm_env environment"),
    (Pool(), "Pool is an EnvPool"),
    (VecEnv(), r"VecEnv of Stable-Baselines3.*EnvServer\(\[env, \.\.\.\]\)"),
    (OldEnv(), "OldEnv is an environment of the legacy gym package.*shimmy"),
    (3, "int cannot be served: it has no observation_space, action_space, reset, step, close"),
]


@pytest.mark.parametrize(("given", "match"), MISTAKES)
def test_a_mistake_is_named(given: Any, match: str) -> None:
    with pytest.raises(TypeError, match=match):
        EnvServer(given)
    with pytest.raises(TypeError, match=match):
        EnvServer(factory=lambda: given)


class Proxy:
    """Answers everything, as proxies and mocks do."""

    def __init__(self, env: Any) -> None:
        self.observation_space, self.action_space = env.observation_space, env.action_space
        self.reset, self.step, self.close = env.reset, env.step, env.close

    def __getattr__(self, name: str) -> Any:
        if name in ("spec", "metadata", "num_envs", "render_mode", "unwrapped", "reward_range"):
            raise AttributeError(name)
        return name


def test_what_has_an_environments_shape_is_served_whatever_else_it_has() -> None:
    for env in (Proxy(Walk()), ParallelWalk(), DmWalk()):
        EnvServer(env).shutdown()
    gymnasium = pytest.importorskip("gymnasium")

    class View(gymnasium.Env):  # type: ignore[misc]
        observation_space = action_space = gymnasium.spaces.Discrete(2)
        possible_agents = ("a",)
        observation_spaces: Any = {}  # noqa: RUF012

        def observation_spec(self) -> Any: ...
        def action_spec(self) -> Any: ...

        @property
        def agent_iter(self) -> Any:
            raise RuntimeError("not yet")

    EnvServer(View()).shutdown()


def test_an_environment_that_can_be_called_is_served() -> None:
    class Callable(Walk):
        def __call__(self) -> None: ...

    with EnvServer(Callable()) as server:
        assert server.env_contract.id == "Callable"
