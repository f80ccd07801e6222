"""Recorders watch an evaluation: single environments and vectors, here and remote."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import rlmesh
from rlmesh.numpy import BACKEND, Model
from rlmesh.record import RecordingWarning, TrajectoryRecorder, VideoRecorder, read_trajectories

av = pytest.importorskip("av")
pytest.importorskip("pyarrow")

SEEDS = [3, 1, 4, 1, 5]


class Lamp(gym.Env[Any, Any]):
    """As bright as its seed and time, for as many steps as its seed."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012

    def __init__(self, render_mode: str | None = "rgb_array") -> None:
        self.observation_space = gym.spaces.Dict({"light": gym.spaces.Box(0, 255, (), "int64")})
        self.action_space = gym.spaces.Discrete(2)
        self.render_mode = render_mode
        self.light = self.last = self.time = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self.time, self.last = 0, seed or 2
        self.light = 20 * self.last
        return {"light": np.array(self.light)}, {"time": 0}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Any]:
        self.time += 1
        self.light += 10 + int(action)
        over = self.time == self.last
        return {"light": np.array(self.light)}, 0.5, over, False, {"time": self.time}

    def render(self) -> Any:
        return np.full((32, 32, 3), self.light, "uint8")


def lights_of(seed: int) -> list[int]:
    """What an episode shows under a policy that takes 1."""
    return [20 * seed + 11 * t for t in range(seed + 1)]


def check_recordings(films: Path, steps: Path) -> None:
    episodes = list(read_trajectories(steps, backend=BACKEND))
    assert [e.seed for e in episodes] == SEEDS
    for i, episode in enumerate(episodes):
        wanted = lights_of(SEEDS[i])
        assert [int(o["light"]) for o in episode.observations] == wanted
        assert [int(a) for a in episode.actions] == [1] * SEEDS[i]
        assert [info["time"] for info in episode.infos] == [*range(1, SEEDS[i] + 1)]
        assert episode.terminated and sum(episode.rewards) == SEEDS[i] / 2
        with av.open(str(films / f"episode_{i}_seed_{SEEDS[i]}.mp4")) as film:
            frames = [f.to_ndarray(format="rgb24") for f in film.decode(video=0)]
        assert len(frames) == len(wanted)
        assert all(abs(f.mean() - w) < 4 for f, w in zip(frames, wanted))


def lamps(mode: gym.vector.AutoresetMode) -> Any:
    return gym.vector.SyncVectorEnv([Lamp] * 2, autoreset_mode=mode)


@pytest.mark.parametrize("mode", [gym.vector.AutoresetMode.NEXT_STEP, "of lanes"])
def test_a_vector_draws_once_a_step(tmp_path: Path, mode: Any) -> None:
    mode = gym.vector.AutoresetMode.DISABLED if mode == "of lanes" else mode
    films, steps = tmp_path / "films", tmp_path / "steps"
    hooks = [VideoRecorder(films), TrajectoryRecorder(steps)]
    env = lamps(mode)
    calls = []
    render, step = env.render, env.step
    env.render = lambda: calls.append("render") or render()
    env.step = lambda actions: calls.append("step") or step(actions)
    rlmesh.evaluate(Model(lambda _: 1), env, seeds=SEEDS, hooks=hooks)
    check_recordings(films, steps)
    # One image for each step and reset; if lanes begin within a step, later ones draw again.
    assert calls.count("render") <= calls.count("step") + 2 * len(SEEDS)


@pytest.mark.parametrize("kind", ["local", "vector", "remote", "remotes", "remote vector"])
def test_an_evaluation_is_recorded(tmp_path: Path, kind: str) -> None:
    films, steps = tmp_path / "films", tmp_path / "steps"
    hooks = [VideoRecorder(films), TrajectoryRecorder(steps)]
    with ExitStack() as stack:
        envs = []
        for _ in range(3 if kind == "remotes" else 1):
            env: Any = Lamp()
            if "vector" in kind:
                env = lamps(gym.vector.AutoresetMode.DISABLED)
            if "remote" in kind:
                env = stack.enter_context(rlmesh.EnvServer(env, port=0)).address
            envs.append(env)
        result = rlmesh.evaluate(Model(lambda _: 1), envs, seeds=SEEDS, hooks=hooks)
    assert [e.steps for e in result.episodes] == SEEDS
    assert [h.failures for h in hooks] == [(), ()]
    check_recordings(films, steps)


def test_an_environment_that_does_not_render_costs_the_film_alone(tmp_path: Path) -> None:
    class Dark(Lamp):
        def render(self) -> Any:
            raise NotImplementedError("no light")

    recorder = VideoRecorder(tmp_path)
    with pytest.warns(RecordingWarning, match=r"episode_0_seed_2\.mp4.*no light"):
        result = rlmesh.evaluate(Model(lambda _: 1), Dark(), seeds=[2], hooks=recorder)
    assert result.episodes[0].reward == 1.0 and os.listdir(tmp_path) == []


def test_an_episode_that_did_not_begin_is_not_recorded(tmp_path: Path) -> None:
    """The recording of an earlier attempt does not belong to the result."""

    class Broken(Lamp):
        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, Any]:
            if self.time == 2:
                raise RuntimeError("the bulb is gone")
            return super().reset(seed=seed)

        def step(self, action: Any) -> tuple[Any, float, bool, bool, Any]:
            if self.time == 2:
                raise RuntimeError("the bulb bursts")
            return super().step(action)

    recorders = [VideoRecorder(tmp_path / "films"), TrajectoryRecorder(tmp_path / "steps")]
    result = rlmesh.evaluate(Model(lambda _: 1), Broken(), seeds=[5], hooks=recorders, retries=1)
    assert [(e.steps, e.end.value) for e in result.episodes] == [(0, "error")]
    assert not os.listdir(tmp_path / "films") and not os.listdir(tmp_path / "steps")


def test_a_recorder_watches_a_second_run(tmp_path: Path) -> None:
    grid = VideoRecorder(tmp_path / "all.mp4", resume=True)
    for seeds in ([2], [4, 6]):
        rlmesh.evaluate(Model(lambda _: 1), Lamp(), seeds=seeds, hooks=grid)
        assert os.listdir(tmp_path) == ["all.mp4"]
        with av.open(tmp_path / "all.mp4") as film:
            assert film.streams.video[0].frames == max(seeds) + 1
    assert not grid.failures


def test_a_second_run_replaces_nothing_of_the_first(tmp_path: Path) -> None:
    """Episodes are numbered from 0 in each run: those of the first were lost without a word."""
    films, steps, grid = tmp_path / "films", tmp_path / "steps", tmp_path / "all.mp4"
    recorders = [VideoRecorder(films), TrajectoryRecorder(steps), VideoRecorder(grid)]
    rlmesh.evaluate(Model(lambda _: 1), Lamp(), seeds=[2], hooks=recorders)
    first = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    assert len(first) == 3
    with pytest.warns(RecordingWarning) as told:
        rlmesh.evaluate(Model(lambda _: 0), Lamp(), seeds=[2, 3], hooks=recorders)
    words = [str(warning.message) for warning in told]
    assert {path: path.read_bytes() for path in first} == first
    for path in first:
        assert any(str(path) in said and "resume=True" in said for said in words), words
    assert (films / "episode_1_seed_3.mp4").exists() and len(words) == 3
    assert sorted(os.listdir(f"{grid}.episodes")) == [
        "episode_0_seed_2.mp4",
        "episode_1_seed_3.mp4",
    ]


def test_a_grid_has_the_films_of_before_the_run_was_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were left out, and removed; and an interrupt was a file that is not there."""

    class Cut:
        def on_episode_start(self, event: Any) -> None:
            if event.episode == 2:
                raise KeyboardInterrupt

    def together(films: Any) -> Any:
        raise KeyboardInterrupt

    def run(*more: Any) -> None:
        grid = VideoRecorder(tmp_path / "all.mp4", resume=True)
        arguments = {"seeds": [2, 3, 4], "journal": tmp_path / "journal", "resume": True}
        rlmesh.evaluate(Model(lambda _: 1), Lamp(), hooks=[grid, *more], **arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr("rlmesh._recording.grid._together", together)
        for more in ((Cut(),), ()):
            with pytest.raises(KeyboardInterrupt):
                run(*more)
    assert len(os.listdir(tmp_path / "all.mp4.episodes")) == 3
    run()
    assert sorted(os.listdir(tmp_path)) == ["all.mp4", "journal"]
    with av.open(tmp_path / "all.mp4") as film:
        assert (film.streams.video[0].width, film.streams.video[0].height) == (64, 64)


def test_a_run_that_fails_has_what_ended(tmp_path: Path) -> None:
    def predict(observation: Any) -> int:
        if observation["light"] == lights_of(5)[2]:
            raise RuntimeError("no idea")
        return 1

    films, steps = tmp_path / "films", tmp_path / "steps"
    hooks = [VideoRecorder(films), TrajectoryRecorder(steps)]
    with pytest.raises(rlmesh.errors.RunError, match="no idea"):
        rlmesh.evaluate(Model(predict), Lamp(), seeds=[3, 5], hooks=hooks)
    assert os.listdir(films) == ["episode_0_seed_3.mp4"]
    assert os.listdir(steps) == ["episode_0_seed_3.parquet"]
