"""Values in a session: bad results, actions and seeds, and observations out of bounds."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import rlmesh
from rlmesh import errors
from rlmesh._codec import ValidationWarning
from tests.integration.envs import CounterEnv, ScriptedEnv, client_of, plays_on


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ((0, 1.0, False, {}), "old Gym API"),
        (0, "a int"),
        ((9, 1.0, False, False, {}), "expected an integer from 0 to 4, got 9"),
        ((0, "much", False, False, {}), "reward: expected one number"),
        ((0, 1.0, "no", False, {}), "terminated: expected a bool"),
        ((0, 1.0, False, None, {}), "truncated: expected a bool"),
        ((0, 1.0, False, False, None), "with info a dict"),
    ],
)
def test_a_bad_result_is_an_env_error_and_the_session_goes_on(result: Any, words: str) -> None:
    with client_of(ScriptedEnv(result)) as remote:
        remote.reset()
        with pytest.raises(errors.EnvError) as caught:
            remote.step(0)
        assert words in str(caught.value)
        assert caught.value.code == 4
        plays_on(remote)


@pytest.mark.parametrize("action", [2, -1, 0.5, "1", None, [0, 1]])
def test_a_bad_action_is_refused_before_it_leaves(action: Any) -> None:
    env = CounterEnv()
    with client_of(env) as remote:
        remote.reset()
        with pytest.raises(errors.InvalidValueError) as caught:
            remote.step(action)
        assert caught.value.path == "action"
        assert caught.value.expected == "an integer from 0 to 1"
        assert env.step_count == 0
        plays_on(remote)


class FarEnv(CounterEnv):
    observation_space = rlmesh.spaces.Box(0.0, 1.0, (1,))  # type: ignore[assignment]

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        return [0.5], {}

    def step(self, action: Any) -> Any:
        return [2.0], 1.0, False, False, {}


def test_an_observation_out_of_bounds_is_let_through_and_reported_once() -> None:
    with client_of(FarEnv()) as remote, warnings.catch_warnings(record=True):
        warnings.simplefilter("always", ValidationWarning)
        remote.reset()
        observation, *_, info = remote.step(0)
        assert observation.tolist() == [2.0]
        assert list(info["rlmesh.validation"]) == ["observation"]
        assert remote.step(0)[4] == {}


def test_strict_validation_makes_it_an_error() -> None:
    with client_of(FarEnv(), validation="strict") as remote:
        remote.reset()
        with pytest.raises(errors.EnvError, match=r"outside \[0.0, 1.0\]"):
            remote.step(0)
        remote.reset()


@pytest.mark.parametrize("seed", [-1, 2**64, "x", 1.5])
def test_a_bad_seed(seed: Any) -> None:
    with client_of(CounterEnv()) as remote:
        with pytest.raises(errors.InvalidValueError, match="seed"):
            remote.reset(seed=seed)
        plays_on(remote)
