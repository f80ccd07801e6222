"""Lanes of vectors play what single environments play, in every autoreset mode."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer
from rlmesh.results import EpisodeEnd
from tests.integration.walks import told

np = pytest.importorskip("numpy")
gymnasium = pytest.importorskip("gymnasium")
numpy_values = pytest.importorskip("rlmesh.numpy")

AutoresetMode, SyncVectorEnv = gymnasium.vector.AutoresetMode, gymnasium.vector.SyncVectorEnv
Model = numpy_values.Model

SEEDS = list(range(11))
MODES = list(AutoresetMode)


class Walk(gymnasium.Env):  # type: ignore[misc]
    """Ends by itself, or after 15 steps; may fail at its second step."""

    observation_space = gymnasium.spaces.Dict(
        {"x": gymnasium.spaces.Box(-99, 99, (2,)), "n": gymnasium.spaces.Discrete(99)}
    )
    action_space = gymnasium.spaces.Box(-1, 1, (2,))

    def __init__(self, fails: tuple[int, ...] = ()) -> None:
        self.fails = fails

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.seed_given, self.count = seed, 0
        self.place = self.np_random.normal(size=2).astype(np.float32)
        return self._seen(), {"seed": seed}

    def step(self, action: Any) -> Any:
        self.count += 1
        if self.count == 2 and self.seed_given in self.fails:
            raise RuntimeError("stuck")
        self.place += action + self.np_random.normal(size=2).astype(np.float32)
        ended, late = bool(abs(self.place).max() > 4), self.count == 15
        info = {"is_success": bool(self.place[0] > 0)} if ended or late else {}
        return self._seen(), float(self.place[1]), ended, late, info

    def _seen(self) -> Any:
        return {"x": self.place.copy(), "n": self.count}


class Lead:
    def predict_batch(self, observations: Any) -> Any:
        assert observations["n"].shape == observations["x"].shape[:1]
        return np.clip(observations["x"] / 4, -1, 1)


def alone(seeds: list[int] = SEEDS) -> list[Any]:
    return [row[:6] for row in told(Model(Lead()).run(Walk(), seeds=seeds))]


@contextmanager
def sources(kind: str, mode: Any, **arguments: Any) -> Generator[list[Any], None, None]:
    """A vector of three lanes, in this process or served, alone or beside a single one."""
    make = [lambda: Walk(**arguments)] * 3
    if kind == "local":
        yield [SyncVectorEnv(make, autoreset_mode=mode)]
        return
    with EnvServer(SyncVectorEnv(make, autoreset_mode=mode)) as server:
        yield [server.address] if kind == "served" else [server.address, Walk(**arguments)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["local", "served", "beside"])
def test_lanes_play_as_single_environments(kind: str, mode: Any) -> None:
    with sources(kind, mode) as envs:
        for seeds in (SEEDS, SEEDS[:2]):
            result = rlmesh.evaluate(Model(Lead()), envs, seeds=seeds)
            assert [row[:6] for row in told(result)] == alone(seeds)
    assert {row[4] for row in told(result)} <= {EpisodeEnd.TERMINATED, EpisodeEnd.TRUNCATED}


@pytest.mark.parametrize("mode", MODES)
def test_lanes_are_cut_one_by_one(mode: Any) -> None:
    wanted = Model(Lead()).run(Walk(), seeds=SEEDS, max_episode_steps=3)
    assert set(wanted.ends) == {EpisodeEnd.LIMIT, EpisodeEnd.TERMINATED}
    with sources("served", mode) as envs:
        result = rlmesh.evaluate(Model(Lead()), envs, seeds=SEEDS, max_episode_steps=3)
    assert [row[:6] for row in told(result)] == [row[:6] for row in told(wanted)]


@pytest.mark.parametrize("mode", MODES)
def test_a_lane_that_fails_takes_no_other_with_it(mode: Any) -> None:
    with sources("served", mode, fails=(3, 8)) as envs:
        result = rlmesh.evaluate(Model(Lead()), envs, seeds=SEEDS, retries=1)
    for row, want in zip(told(result), alone()):
        if row[1] in (3, 8):
            assert row[3:5] == (1, EpisodeEnd.ERROR)
        else:
            assert row[:6] == want


@pytest.mark.parametrize("mode", MODES)
def test_chunks_are_replayed_lane_by_lane(mode: Any) -> None:
    class Chunks:
        def predict_chunk_batch(self, observations: Any) -> Any:
            first = np.clip(observations["x"] / 4, -1, 1)
            return np.stack([first, -first, first / 2], axis=1)

    wanted = Model(Chunks()).run(Walk(), seeds=SEEDS)
    with sources("beside", mode) as envs:
        result = rlmesh.evaluate(Model(Chunks()), envs, seeds=SEEDS)
    assert [row[:6] for row in told(result)] == [row[:6] for row in told(wanted)]


def test_hooks_are_told_the_lane() -> None:
    lanes: list[Any] = []

    class Lanes:
        def on_episode_start(self, event: Any) -> None:
            assert event.info == {"seed": event.seed}
            lanes.append((event.episode, event.lane, type(event.env).__name__))

    with sources("local", AutoresetMode.NEXT_STEP) as envs:
        rlmesh.evaluate(Model(Lead()), envs, seeds=[5, 6], hooks=Lanes())
    assert lanes == [(0, 0, "SyncVectorEnv"), (1, 1, "SyncVectorEnv")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["local", "served"])
def test_hooks_see_where_an_episode_ended(kind: str, mode: Any) -> None:
    """Not the start of the lane's next one, although a vector that resets at once reports both."""

    class Places:
        def __init__(self) -> None:
            self.last: dict[int, Any] = {}

        def on_step(self, event: Any) -> None:
            seen = event.next_observation
            self.last[event.episode] = (int(seen["n"]), *map(float, seen["x"]))

    seen, wanted = Places(), Places()
    Model(Lead()).run(Walk(), seeds=SEEDS, hooks=wanted)
    with sources(kind, mode) as envs:
        rlmesh.evaluate(Model(Lead()), envs, seeds=SEEDS, hooks=seen)
    assert seen.last == wanted.last


def test_a_session_plays_no_vector() -> None:
    with (
        sources("served", AutoresetMode.NEXT_STEP) as envs,
        pytest.raises(rlmesh.errors.UnsupportedError, match="a session plays a single"),
    ):
        Model(Lead()).session(envs[0])
