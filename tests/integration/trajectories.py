"""Environments with given observations, and what recorders read back of them."""

from __future__ import annotations

import json
import tempfile
from typing import Any

import numpy as np
import pytest

from rlmesh import spaces
from rlmesh.record import TrajectoryRecorder, read_trajectories, wrap

pytest.importorskip("pyarrow")
import pyarrow.parquet as pq

__all__ = [
    "NESTED",
    "Told",
    "actions_of",
    "check_minari",
    "nested",
    "nested_env",
    "play",
    "told_and_read",
]


class Told:
    """Returns the given observations."""

    def __init__(self, space: Any, observations: list[Any], action_space: Any = None) -> None:
        self.observation_space = space
        self.action_space = spaces.Discrete(3) if action_space is None else action_space
        self.observations = observations
        self.infos: list[dict[Any, Any]] = [{} for _ in observations]
        self.time = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, Any]:
        self.time = 0
        return self.observations[0], self.infos[0]

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Any]:
        self.time += 1
        t = self.time
        return self.observations[t], t / 7, t + 1 == len(self.observations), False, self.infos[t]

    def close(self) -> None:
        pass


def play(env: Any, actions: list[Any], seeds: tuple[int | None, ...] = (5,)) -> None:
    for seed in seeds:
        env.reset(seed=seed)
        for action in actions:
            env.step(action)
    env.close()


def told_and_read(
    space: Any, observations: list[Any], action_space: Any, actions: list[Any], **read: Any
) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        env = Told(space, observations, action_space)
        with TrajectoryRecorder(folder) as recorder:
            play(wrap(env, recorder), actions)
        assert recorder.failures == ()
        (episode,) = read_trajectories(folder, **read)
        table = pq.read_table(folder)
        assert len(table) == len(actions) and table["step"].to_pylist() == [*range(len(actions))]
    return episode


NESTED = spaces.Dict(
    {
        "camera": spaces.Box(0, 255, (4, 6, 3), "uint8"),
        "arm": spaces.Tuple([spaces.Box(-1, 1, (2, 3), "float16"), spaces.Discrete(4, start=-2)]),
        "words": spaces.Text(8),
        "keys": spaces.MultiBinary([2, 2]),
        "knobs": spaces.MultiDiscrete([3, 4], dtype="int32"),
        "heat": spaces.Box(-np.inf, np.inf, (), "float64"),
    }
)
"""What both formats take."""


def nested(rng: Any) -> dict[str, Any]:
    return {
        "camera": rng.integers(0, 256, (4, 6, 3), "uint8"),
        "arm": (rng.random((2, 3)).astype("float16"), np.int64(rng.integers(-2, 2))),
        "words": "ab" * int(rng.integers(0, 4)),
        "keys": rng.integers(0, 2, (2, 2)).astype("int8"),
        "knobs": rng.integers(0, 3, 2).astype("int32"),
        "heat": np.array(rng.normal()),
    }


def nested_env(steps: int = 5) -> Told:
    rng = np.random.default_rng(3)
    env = Told(NESTED, [nested(rng) for _ in range(steps + 1)], NESTED)
    env.infos = [
        {
            "t": t,
            "x": np.float32(t) / 3,
            "bits": b"\x00\xff",
            "nan": float("nan"),
            "deep": {"a": [t]},
        }
        for t in range(steps + 1)
    ]
    return env


def actions_of(steps: int = 5) -> list[Any]:
    rng = np.random.default_rng(4)
    return [nested(rng) for _ in range(steps)]


def check_minari(episode: Any, env: Told, actions: list[Any]) -> None:
    for found, wanted in ((episode.observations, env.observations), (episode.actions, actions)):
        for key in ("camera", "keys", "knobs", "heat"):
            stacked = np.stack([value[key] for value in wanted])
            assert found[key].dtype == stacked.dtype and np.array_equal(found[key], stacked), key
        assert list(found["words"]) == [value["words"] for value in wanted]
        assert np.array_equal(found["arm"][0], [value["arm"][0] for value in wanted])
        assert np.array_equal(found["arm"][1], [value["arm"][1] for value in wanted])
    assert episode.rewards.tolist() == [(t + 1) / 7 for t in range(5)]
    assert episode.terminations.tolist() == [False] * 4 + [True]
    assert not episode.truncations.any()
    assert [json.loads(text)["t"] for text in episode.infos["json"]] == [*range(6)]
