"""An evaluation has one result, whether the environment is an object here or an address."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer
from rlmesh.errors import RLMeshError, RunError

np = pytest.importorskip("numpy")
gymnasium = pytest.importorskip("gymnasium")
numpy_values = pytest.importorskip("rlmesh.numpy")
gs = gymnasium.spaces

ACTIONS: dict[str, Any] = {
    "box": gs.Box(-2, 2, (2,), np.float32),
    "bytes": gs.Box(0, 255, (2,), np.uint8),
    "discrete": gs.Discrete(3, start=1),
    "multi_binary": gs.MultiBinary(2),
    "multi_discrete": gs.MultiDiscrete([3, 4]),
    "text": gs.Text(4),
    "tuple": gs.Tuple([gs.Discrete(3), gs.Box(-2, 2, (2,), np.float32)]),
    "dict": gs.Dict({"a": gs.Discrete(3), "b": gs.Box(-2, 2, (2,), np.float32)}),
    "one_of": gs.OneOf([gs.Discrete(3), gs.Box(-2, 2, (2,), np.float32)]),
    "sequence": gs.Sequence(gs.Discrete(3)),
}

ODD: dict[str, Callable[[], Any]] = {
    "float64": lambda: np.array([0.1, 1.7]),
    "float32": lambda: np.array([0.1, 1.7], np.float32),
    "integers": lambda: np.array([1, 2]),
    "zero and one": lambda: np.array([0, 1]),
    "column": lambda: np.array([[0.5], [1.5]]),
    "three": lambda: np.zeros(3),
    "outside": lambda: np.array([9.0, -9.0]),
    "nan": lambda: np.array([np.nan, 0.0]),
    "complex": lambda: np.array([1j, 0]),
    "list": lambda: [0.25, 1],
    "nested list": lambda: [[1, 2]],
    "tuple": lambda: (1, 2),
    "pair": lambda: (1, np.array([0.1, 0.2])),
    "named": lambda: {"a": 1, "b": [0.1, 0.2]},
    "misnamed": lambda: {"a": 1},
    "none": lambda: None,
    "minus one": lambda: -1,
    "one": lambda: 1,
    "three as a scalar": lambda: np.int32(3),
    "four": lambda: 4,
    "float one": lambda: 1.0,
    "half": lambda: 0.5,
    "true": lambda: True,
    "text": lambda: "abc",
    "long text": lambda: "abcdefgh",
    "text of a number": lambda: "1",
    "array of one": lambda: np.array([1]),
    "array of no dimension": lambda: np.array(1),
    "objects": lambda: np.array([1, None], object),
    "a function": lambda: len,
    "native tensor": lambda: rlmesh.Tensor(np.array([0.1, 1.7]).tobytes(), "float64", (2,)),
}


class Witness(gymnasium.Env):  # type: ignore[misc]
    """Shows in its rewards and observations what actions it got, to the type and the bit."""

    def __init__(self, action_space: Any) -> None:
        self.observation_space = gs.Box(-np.inf, np.inf, (1,), np.float32)
        self.action_space = action_space
        self.got: list[str] = []

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.count = 0
        return np.zeros(1, np.float64), {}

    def step(self, action: Any) -> Any:
        self.count += 1
        self.got.append(seen(action))
        return np.full(1, self.count / 3), 1, self.count == 2, False, {}


def seen(value: Any) -> str:
    """Type and value, exactly."""
    if isinstance(value, dict):
        return str({key: seen(part) for key, part in value.items()})
    if isinstance(value, (tuple, list)):
        return type(value).__name__ + str([seen(part) for part in value])
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{value.tobytes().hex()}"
    return f"{type(value).__name__}:{value!r}"


def outcome(env: Any, played: Any, make: Callable[[], Any]) -> Any:
    """What the model observed and the environment got, or the error of the run."""
    observed: list[str] = []

    def predict(observation: Any) -> Any:
        observed.append(seen(observation))
        return make()

    env.got.clear()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            (episode,) = rlmesh.evaluate(numpy_values.Model(predict), played, seeds=[3]).episodes
    except RunError as error:
        cause = error.__cause__
        facts = [getattr(cause, name, None) for name in ("path", "expected", "actual")]
        return type(cause), str(error), facts, env.got
    messages = [str(w.message) for w in caught if "let through" in str(w.message)]
    return episode.reward, episode.steps, episode.end, messages, observed, list(env.got)


@pytest.mark.parametrize("family", ACTIONS)
def test_odd_actions_give_the_same_result(family: str) -> None:
    env = Witness(ACTIONS[family])
    with EnvServer(env) as server:
        results = {}
        for name, make in ODD.items():
            here, there = outcome(env, env, make), outcome(env, server.address, make)
            assert here == there, name
            results[name] = here
    # What is refused is refused by a type of ours, and something passes.
    refused = [r[0] for r in results.values() if isinstance(r[0], type)]
    assert refused
    assert all(issubclass(kind, RLMeshError) for kind in refused)
    assert len(refused) < len(ODD)


def test_a_float64_action_is_cast_for_a_float32_box() -> None:
    env = Witness(ACTIONS["box"])
    *_, observed, got = outcome(env, env, ODD["float64"])
    assert got == [seen(np.array([0.1, 1.7], np.float32))] * 2
    assert observed == [seen(np.zeros(1, np.float32)), seen(np.full(1, 1 / 3, np.float32))]


@pytest.mark.parametrize("mode", list(gymnasium.vector.AutoresetMode))
def test_lanes_of_a_vector_too(mode: Any) -> None:
    envs = [Witness(ACTIONS["box"]) for _ in range(2)]
    vector = gymnasium.vector.SyncVectorEnv(
        [lambda env=env: env for env in envs], autoreset_mode=mode
    )
    with EnvServer(vector) as server:
        for name in ("float64", "outside", "three", "none", "list"):
            results = []
            for played in (vector, server.address):
                for env in envs:
                    env.got.clear()
                found = outcome(envs[0], played, ODD[name])
                # A client names the element of the batch, an evaluation here that of the lane.
                results.append(
                    ([str(part).replace("[0, 0]", "[0]") for part in found], envs[1].got[:])
                )
            assert results[0] == results[1], name


class Wrong(Witness):
    """Returns one odd thing in its second step."""

    def __init__(self, index: int, value: Any) -> None:
        super().__init__(gs.Discrete(2))
        self.index, self.value = index, value

    def step(self, action: Any) -> Any:
        result = list(super().step(action))
        result[self.index] = self.value
        return tuple(result)


WRONG = {
    "observation of another shape": (0, np.zeros(2)),
    "observation that is text": (0, "x"),
    "observation that is NaN": (0, np.array([np.nan])),
    "no observation": (0, None),
    "reward that is text": (1, "x"),
    "reward that is missing": (1, None),
    "reward of shape (1,)": (1, np.array([0.5])),
    "two rewards": (1, np.array([0.5, 0.5])),
    "flag 2": (2, 2),
    "flag of NumPy": (2, np.bool_(True)),
    "flag of None": (3, None),
    "info of None": (4, None),
}


@pytest.mark.parametrize("name", WRONG)
def test_odd_results_give_the_same_episode(name: str) -> None:
    env = Wrong(*WRONG[name])
    found = []
    with EnvServer(env) as server:
        for played in (env, server.address):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                (episode,) = rlmesh.evaluate(
                    numpy_values.Model(lambda _: 0), played, seeds=[3], retries=0
                ).episodes
            failure = episode.error and (episode.error.path, episode.error.message)
            found.append((episode.reward, episode.steps, episode.end, failure))
    assert found[0] == found[1]


class Seedless:
    """Its reset takes nothing."""

    observation_space = action_space = rlmesh.spaces.Discrete(2)

    def reset(self) -> Any:
        return 0, {}

    def step(self, action: Any) -> Any:
        return 0, 1.0, True, False, {}

    def close(self) -> None: ...


def test_a_reset_without_a_seed_is_played_here_too() -> None:
    env = Seedless()
    model = rlmesh.Model(lambda _: 0)
    with EnvServer(env) as server:
        for played in (env, server.address):
            assert rlmesh.evaluate(model, played, max_episodes=2).rewards == (1.0, 1.0)
            with model.session(played) as session:
                assert session.reset()[0] == 0
