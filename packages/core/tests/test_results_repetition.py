"""What can be repeated of a run, and whether a repetition is equal."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rlmesh
from rlmesh import Episode, Task
from rlmesh.results import EpisodeEnd, EpisodeResult, RunResult, RunSettings, TaskSettings
from rlmesh.results._repetition import Repetition, obstacles, repeatable
from rlmesh.spaces import Discrete

SETTINGS = RunSettings(seeded=True, validation=("warn",), success="any")


def episode(index: int, seed: int | None = 7, task: str = "") -> EpisodeResult:
    return EpisodeResult(index, seed, 1.5, 3, EpisodeEnd.TERMINATED, True, task=task)


RUN = RunResult((episode(0), episode(1, 8)), "E", model_id="m", settings=SETTINGS)


def test_an_equal_repetition() -> None:
    again = replace(RUN, seconds=9.0, settings=replace(SETTINGS, versions={"python": "4"}))
    repetition = Repetition(RUN, again)
    assert repetition.is_equal and repetition.differences == repetition.settings_differences == ()
    broken = replace(RUN, episodes=(replace(episode(0), reward=math.nan),))
    assert Repetition(broken, broken).is_equal


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reward": 2.0}, "reward: expected 1.5, got 2.0"),
        ({"steps": 4}, "steps: expected 3, got 4"),
        ({"end": EpisodeEnd.ERROR}, "end: expected terminated, got error"),
        ({"success": None}, "success: expected True, got None"),
    ],
)
def test_each_difference_of_an_outcome_is_named(changes: dict[str, Any], words: str) -> None:
    again = replace(RUN, episodes=(episode(0), replace(episode(1, 8), **changes)))
    assert Repetition(RUN, again).differences == (f"episode 1, seed 8: {words}",)


def test_an_episode_that_was_not_played_is_a_difference() -> None:
    run = replace(RUN, episodes=(episode(0), episode(1, 8, "lift")))
    again = replace(run, episodes=run.episodes[:1])
    words = "episode 1 of task 'lift', seed 8: it was not played"
    assert Repetition(run, again).differences == (words,)


def test_settings_that_differ_are_named_apart() -> None:
    settings = replace(SETTINGS, max_batch_size=4, tasks=(TaskSettings("a"),))
    repetition = Repetition(RUN, replace(RUN, model_id="x", settings=settings))
    assert repetition.is_equal
    assert repetition.settings_differences == (
        "model_id: expected 'm', got 'x'",
        "max_batch_size: expected None, got 4",
    )


def test_the_rule_that_stopped_the_run_is_no_difference() -> None:
    stopped = replace(RUN, settings=replace(RUN.settings, until="three episodes"))
    assert Repetition(stopped, RUN).settings_differences == ()


def test_only_episodes_with_a_seed_are_repeated_and_tasks_stay_together() -> None:
    mixed = [episode(0, 1, "a"), episode(1, 1, "b"), episode(2, None, "a"), episode(3, 2, "a")]
    kept = repeatable(replace(RUN, episodes=tuple(mixed)))
    assert [e.index for e in kept.episodes] == [0, 3, 1]


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (replace(RUN, episodes=(episode(0), episode(1, None))), "1 of 2 episodes have no seed"),
        (replace(RUN, settings=RunSettings()), "the settings of the run are not known"),
        (replace(RUN, settings=replace(SETTINGS, success="a:b")), "is code, a:b, which may have"),
        (replace(RUN, settings=replace(SETTINGS, max_episode_seconds=2.0)), "cut by wall time"),
        (replace(RUN, resume_differences=("seeds: x",)), "with other settings: seeds: x"),
    ],
)
def test_what_cannot_be_repeated_is_named(run: RunResult, words: str) -> None:
    (found,) = obstacles(run)
    assert words in found
    assert list(obstacles(RUN)) == []


def test_the_command_of_a_run_is_read() -> None:
    pytest.importorskip("typer")
    from rlmesh._cli.rerun import _given, _kwargs
    from rlmesh._cli.sources import UsageProblem

    command = ("rlmesh", "eval", "a:b", "1", "2", "--model-kwargs", "***", "--backend", "numpy")
    given = _given(command)
    assert (given["model"], list(given["addresses"]), given["backend"]) == (
        "a:b",
        ["1", "2"],
        "numpy",
    )
    suite = _given(("rlmesh", "eval", "random", "--suite", "x.toml"))["suite"]
    assert Path(suite) == Path("x.toml")
    assert _given(()) == _given(("python", "mine.py")) == {}
    with pytest.raises(UsageProblem, match="the command of the run cannot be read"):
        _given(("rlmesh", "eval", "a:b", "--no-such-option"))
    hidden = replace(RUN, settings=replace(SETTINGS, load_arguments={"path": "'a.pt'"}))
    with pytest.raises(UsageProblem, match="expected --model-kwargs, as the run had them: path"):
        _kwargs(None, given, hidden, is_same=True)
    assert _kwargs('{"a": 1}', given, hidden, is_same=True) == '{"a": 1}'
    assert _kwargs(None, given, hidden, is_same=False) == _kwargs(None, {}, RUN, is_same=True)


class Asked:
    """An environment that records its resets."""

    observation_space = action_space = Discrete(2)

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.asked.append((seed, options))
        return 0, {}

    def step(self, action: Any) -> Any:
        return 0, 1.0, True, False, {}

    def close(self) -> None: ...


def test_a_suite_is_played_with_the_options_and_instructions_of_its_episodes() -> None:
    pytest.importorskip("typer")
    from rlmesh._cli.rerun import _played
    from rlmesh._cli.sources import UsageProblem

    told: list[Any] = []

    def model(observation: Any, context: Any) -> Any:
        told.append(context.instruction)
        return 1

    suite = {"a": Task(Asked(), [Episode(3, {"state": 1}, "lift"), Episode(4)])}
    run = rlmesh.evaluate(model, suite)
    env = Asked()
    assert Repetition(run, _played(model, {"a": [env]}, run, {})).is_equal
    assert env.asked == [(3, {"state": 1}), (4, None)]
    assert told == ["lift", None] * 2
    with pytest.raises(UsageProblem, match="expected the task 'a' of the run"):
        _played(model, {"b": [env]}, run, {})
