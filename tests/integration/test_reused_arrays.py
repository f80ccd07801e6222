"""Arrays that an environment, a model or a loop writes to after it has passed them on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete
from gymnasium.vector import SyncVectorEnv

import rlmesh
from rlmesh.numpy import BACKEND, Model, RemoteEnv
from rlmesh.record import TrajectoryRecorder, read_trajectories, wrap

STEPS = [0.0, 1.0, 2.0, 3.0]
"""Observations of an episode of `ReusingEnv`."""


class ReusingEnv(gymnasium.Env[Any, Any]):
    """Counts steps in one array, which it returns each time; writes to the actions it gets."""

    observation_space = Dict({"x": Box(-100, 100, (2,), np.float32), "n": Discrete(9)})
    action_space = Box(-1, 1, (2,), np.float32)

    def __init__(self) -> None:
        self.state = {"x": np.zeros(2, np.float32), "n": np.int64(0)}
        self.info = {"seen": self.state["x"], "lists": [[0.0]]}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.state["x"][:] = self.info["lists"][0][0] = 0
        return self.state, self.info

    def step(self, action: Any) -> Any:
        action *= 0
        self.state["x"] += 1
        self.info["lists"][0][0] += 1
        return self.state, 0.0, bool(self.state["x"][0] == 3), False, self.info


class CopyingEnv(ReusingEnv):
    """Returns an array of its own each time, which its caller writes to."""

    def reset(self, **arguments: Any) -> Any:
        state, info = super().reset(**arguments)
        return {"x": state["x"].copy(), "n": state["n"]}, info

    def step(self, action: Any) -> Any:
        state, *rest = super().step(action)
        return ({"x": state["x"].copy(), "n": state["n"]}, *rest)


def spoil(observation: Any) -> Any:
    """Predict an action, and normalise the observation in place."""
    observation["x"] -= 7
    return np.full(2, 0.5, np.float32)


class Witness:
    """A hook that keeps what its events have, and looks at it when the run has ended."""

    def __init__(self) -> None:
        self.first: list[Any] = []
        self.steps: list[Any] = []

    def on_episode_start(self, event: Any) -> None:
        self.first.append(event)

    def on_step(self, event: Any) -> None:
        self.steps.append(event)


def played(how: str, env: type[ReusingEnv], hooks: list[Any]) -> None:
    """Play an episode in a way that reports it to hooks."""
    with contextlib.ExitStack() as stack:
        if how == "wrap":
            recorded = stack.enter_context(wrap(env(), *hooks))
            observation, _ = recorded.reset(seed=0)
            terminated = False
            while not terminated:
                action = np.full(2, 0.5, np.float32) if env is ReusingEnv else spoil(observation)
                observation, _, terminated, _, _ = recorded.step(action)
            observation["x"] -= 7
            return
        endpoint: Any = env()
        if how == "vector":
            endpoint = SyncVectorEnv([env])
        elif how == "served":
            endpoint = stack.enter_context(rlmesh.EnvServer(env())).address
        elif how == "views":
            server = stack.enter_context(rlmesh.EnvServer(env()))
            endpoint = stack.enter_context(RemoteEnv(server.address, copy=False))
        model = Model(lambda _: np.full(2, 0.5, np.float32)) if how == "views" else Model(spoil)
        rlmesh.evaluate(model, endpoint, seeds=[0], hooks=hooks)


def episodes(folder: Path) -> Iterator[tuple[list[float], list[float]]]:
    for one in read_trajectories(folder, backend=BACKEND):
        yield [float(o["x"][1]) for o in one.observations], [float(a[1]) for a in one.actions]


def seen_in(info: Any, how: str) -> tuple[float, float]:
    """Return the two numbers of an info of `ReusingEnv`, in which a vector has one lane more."""
    return float(np.ravel(info["seen"])[1]), float(info["lists"][0][0])


@pytest.mark.parametrize("env", [ReusingEnv, CopyingEnv])
@pytest.mark.parametrize("how", ["wrap", "local", "vector", "served", "views"])
def test_what_is_recorded_is_what_was_seen_and_taken(
    how: str, env: type[ReusingEnv], tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")
    witness, recorder = Witness(), TrajectoryRecorder(tmp_path / "recorded")
    played(how, env, [witness, recorder])
    recorder.close()
    assert list(episodes(tmp_path / "recorded")) == [(STEPS, [0.5] * 3)]
    (first,) = witness.first
    assert (first.observation["x"][1], *seen_in(first.info, how)) == (0, 0, 0)
    assert [event.step for event in witness.steps] == [0, 1, 2]
    for event in witness.steps:
        before, after = event.observation["x"][1], event.next_observation["x"][1]
        assert (before, after) == (event.step, event.step + 1)
        assert event.action.tolist() == [0.5, 0.5]
        assert seen_in(event.info, how) == (event.step + 1, event.step + 1)


@pytest.mark.parametrize("form", ["predict", "predict_batch", "predict_chunk"])
def test_a_model_may_reuse_its_output(form: str) -> None:
    """Actions of other endpoints, and of a chunk, wait while the model predicts again."""

    class Echo(gymnasium.Env[Any, Any]):
        observation_space = action_space = Box(-100, 100, (2,), np.float32)

        def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
            self.state = np.array([seed, 0], np.float32)
            return self.state.copy(), {}

        def step(self, action: Any) -> Any:
            wrong = float(not np.array_equal(action, self.state))
            self.state[1] += 1
            return self.state.copy(), wrong, bool(self.state[1] == 8), False, {}

    output = np.zeros((8, 2), np.float32)

    class Reusing:
        def predict(self, observation: Any) -> Any:
            output[0] = observation
            return output[0]

        def predict_batch(self, observations: Any) -> Any:
            output[: len(observations)] = observations
            return output[: len(observations)]

        def predict_chunk(self, observation: Any) -> Any:
            output[:4] = observation
            output[:4, 1] += np.arange(4)
            return output[:4]

    model = type("One", (), {form: getattr(Reusing, form)})()
    with rlmesh.EnvServer(factory=Echo, max_sessions=2) as server:
        places = [Echo(), Echo(), server.address, server.address]
        result = rlmesh.evaluate(Model(model), places, seeds=range(12))
    assert result.mean_reward == 0
