"""Warnings of an evaluation, which the result counts by kind."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import pytest

import rlmesh
from rlmesh._journal import Journal
from rlmesh.results import RunResult, WarningKind
from rlmesh.spaces import Box, Discrete
from rlmesh.specs import AutoresetMode

pytestmark = pytest.mark.filterwarnings("ignore::rlmesh._codec.validate.ValidationWarning")

OBSERVED, ACTED = WarningKind.OBSERVATION_OUTSIDE_SPACE, WarningKind.ACTION_OUTSIDE_SPACE


class Faulty:
    """Two steps an episode; an observation is NaN in every episode."""

    observation_space = Box(-1, 1, (1,), "float32")
    action_space = Box(-1, 1, (1,), "float32")

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.count = 0
        return [0.0], {}

    def step(self, action: Any) -> Any:
        self.count += 1
        if self.failures:
            self.failures -= 1
            raise RuntimeError("it fell")
        return [math.nan], 1.0, self.count == 2, False, {}

    def close(self) -> None: ...


def large(observation: Any) -> Any:
    return [2.0]


def small(observation: Any) -> Any:
    return [0.5]


def test_values_outside_their_space_are_counted_once_a_place() -> None:
    result = rlmesh.evaluate(large, Faulty(), seeds=[0, 1])
    assert [dict(e.warnings) for e in result.episodes] == [{ACTED: 1, OBSERVED: 1}, {}]
    assert result.warnings == {ACTED: 1, OBSERVED: 1}
    assert rlmesh.evaluate(small, Faulty(), seeds=[0]).warnings == {OBSERVED: 1}


def test_a_served_environment_has_the_same_warnings() -> None:
    with rlmesh.EnvServer(Faulty(), "127.0.0.1:0") as server:
        result = rlmesh.evaluate(large, server, seeds=[0, 1])
    assert result.warnings == {ACTED: 1, OBSERVED: 1}


def test_an_episode_that_was_played_again_counts_how_often(tmp_path: Path) -> None:
    path = tmp_path / "j"
    result = rlmesh.evaluate(small, Faulty(failures=2), seeds=[0, 1], journal=path)
    again = {WarningKind.EPISODE_RETRIED: 2}
    first, second = result.episodes
    assert first.warnings == {} or second.warnings == {}
    assert result.warnings == {**again, OBSERVED: 1}
    assert RunResult.from_journal(path).warnings == result.warnings


def test_what_was_found_before_an_episode_was_played_again_counts_too() -> None:
    class Late(Faulty):
        def step(self, action: Any) -> Any:
            if self.count == 1 and self.failures:
                self.failures -= 1
                raise RuntimeError("it fell")
            self.count += 1
            return [math.nan], 1.0, self.count == 2, False, {}

    (episode,) = rlmesh.evaluate(small, Late(failures=1), seeds=[0]).episodes
    assert episode.warnings == {OBSERVED: 1, WarningKind.EPISODE_RETRIED: 1}


class Two(Faulty):
    """A vector of two lanes, of which each observation is NaN."""

    num_envs = 2
    single_observation_space = Faulty.observation_space
    single_action_space = Faulty.action_space
    observation_space = Box(-1, 1, (2, 1), "float32")
    action_space = Box(-1, 1, (2, 1), "float32")
    metadata: ClassVar[Any] = {"autoreset_mode": AutoresetMode.NEXT_STEP}

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.count = 0
        return [[0.0]] * 2, {}

    def step(self, action: Any) -> Any:
        self.count += 1
        return [[math.nan]] * 2, [1.0] * 2, [self.count == 2] * 2, [False] * 2, {}


def test_the_lanes_of_a_vector_share_their_reports(tmp_path: Path) -> None:
    path = tmp_path / "j"
    result = rlmesh.evaluate(small, Two(), seeds=[0, 1], journal=path)
    assert [dict(e.warnings) for e in result.episodes] == [{}, {}]
    assert result.warnings == {OBSERVED: 1}
    assert RunResult.from_journal(path).warnings == {OBSERVED: 1}


class Stop:
    """Interrupts the run after its first episode."""

    def on_episode_end(self, event: Any) -> None:
        raise KeyboardInterrupt


def test_an_endpoint_that_was_left_out_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "j"

    def play(**more: Any) -> RunResult:
        envs = [Walk(), "127.0.0.1:1"]
        return rlmesh.evaluate(
            lambda _: 1, envs, seeds=[0, 1], retries=0, journal=path, connect_timeout=0.5, **more
        )

    with pytest.raises(KeyboardInterrupt):
        play(hooks=Stop())
    _, content = Journal.read(path)
    left_out = WarningKind.ENDPOINT_LEFT_OUT
    assert [(notice.kind, notice.count) for notice in content.notices] == [(left_out, 1)]
    result = play(resume=True)
    assert result.warnings == {left_out: 2}  # Once in each of the two parts of the run.
    assert RunResult.from_journal(path).warnings == {left_out: 2}


class Walk:
    """One step an episode."""

    observation_space = Discrete(2)
    action_space = Discrete(2)

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        return 0, {"rlmesh.validation": "not a mapping"}

    def step(self, action: Any) -> Any:
        return 0, 1.0, True, False, {"rlmesh.validation": 7}

    def close(self) -> None: ...


def test_an_info_with_something_else_under_the_key_is_no_warning() -> None:
    assert rlmesh.evaluate(lambda _: 1, Walk()).warnings == {}
