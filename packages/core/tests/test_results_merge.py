"""Merges of parts of a run that were played elsewhere."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rlmesh
from rlmesh import Episode, RunResult, Task
from rlmesh.adapters import Finding
from rlmesh.results import (
    EpisodeEnd,
    EpisodeResult,
    RunSettings,
    TaskSettings,
    Timing,
    WarningKind,
    merge,
)
from rlmesh.spaces import Discrete

OUTCOME = ("task", "seed", "instruction", "reward", "steps", "end", "success")


class Walk:
    """As many steps as the seed says."""

    observation_space = Discrete(100)
    action_space = Discrete(5)

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.seed = seed or 0
        self.count = 0
        return 0, {}

    def step(self, action: Any) -> Any:
        self.count += 1
        return self.count, 0.5, self.count > self.seed % 4, False, {"success": self.seed % 2}

    def close(self) -> None: ...


def one(observation: Any) -> Any:
    return 1


def listens(observation: Any, context: Any) -> Any:
    return 1


def play(seeds: Any, **arguments: Any) -> RunResult:
    return rlmesh.evaluate(one, Walk(), seeds=seeds, **arguments)


def outcomes(run: RunResult) -> list[Any]:
    return [[getattr(episode, name) for name in OUTCOME] for episode in run.episodes]


WHOLE = play(range(12))


@given(st.lists(st.integers(0, 12), max_size=4).map(sorted))
def test_parts_are_the_run(cuts: list[int]) -> None:
    bounds = [0, *cuts, 12]
    parts = [play(range(a, b)) for a, b in pairwise(bounds)]
    merged = merge(parts)
    assert outcomes(merged) == outcomes(WHOLE)
    assert [episode.index for episode in merged.episodes] == list(range(12))
    assert (merged.mean_reward, merged.success_interval()) == (
        WHOLE.mean_reward,
        WHOLE.success_interval(),
    )
    assert merged.timing.predict == pytest.approx(sum(part.timing.predict for part in parts))
    assert RunResult.from_json(merged.to_json()) == merged


def test_equal_duplicates_are_kept_once(tmp_path: Path) -> None:
    journal = tmp_path / "run.journal"
    run = play(range(6), journal=journal)
    again = play(range(4, 9))
    merged = merge([run, RunResult.from_journal(journal), again])
    assert outcomes(merged) == outcomes(WHOLE)[:9]
    assert merged.seconds == run.seconds + again.seconds  # The journal has nothing new.
    assert "journal.episodes" not in merged.metadata
    unseeded = rlmesh.evaluate(one, Walk(), max_episodes=2)
    other = rlmesh.evaluate(one, Walk(), max_episodes=2)
    assert len(merge([unseeded, unseeded, other]).episodes) == 4
    repeated = play([3, 3, 3])
    assert len(merge([repeated, repeated]).episodes) == 3


def test_episodes_of_one_plan_keep_their_index() -> None:
    odd, even = (
        replace(WHOLE, episodes=tuple(e for e in WHOLE.episodes if e.index % 2 == rest))
        for rest in (1, 0)
    )
    assert merge([odd, even]).episodes == WHOLE.episodes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reward": 9.0}, r"seed 2 in b and a: reward: expected 1\.5, got 9\.0"),
        ({"reward": math.nan}, r"reward: expected 1\.5, got nan"),
        ({"steps": 9}, "steps: expected 3, got 9"),
        ({"end": EpisodeEnd.LIMIT}, "end: expected terminated, got limit"),
        ({"success": None}, "success: expected False, got None"),
    ],
)
def test_an_episode_with_two_outcomes_is_refused(changes: dict[str, Any], words: str) -> None:
    part = replace(WHOLE, episodes=(replace(WHOLE.episodes[2], **changes),))
    with pytest.raises(ValueError, match=rf"one outcome for each episode, but .*{words}"):
        merge([WHOLE, part], names=["a", "b"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_id": "x"}, "model_id: expected 'one', got 'x'"),
        ({"env_id": "x"}, "env_id: expected 'Walk', got 'x'"),
        ({"instruction": "x"}, "instruction: expected None, got 'x'"),
        (
            {"settings": replace(WHOLE.settings, success="any", run_id="x")},
            "run_id: expected '', got 'x'; success: expected 'last', got 'any'",
        ),
        (
            {"settings": replace(WHOLE.settings, tasks=(TaskSettings("a"),))},
            "tasks: expected only suites, or none",
        ),
    ],
)
def test_what_does_not_belong_together_is_refused(changes: dict[str, Any], words: str) -> None:
    other = replace(WHOLE, **changes)
    with pytest.raises(
        ValueError, match=rf"runs\[2\] is not of the same run as runs\[0\]: {words}"
    ):
        merge([WHOLE, WHOLE, other])


def test_a_merge_needs_runs() -> None:
    with pytest.raises(ValueError, match="a run or more to merge, got none"):
        merge([])
    with pytest.raises(ValueError, match="a name for each of 1 runs, got 2"):
        merge([WHOLE], names=["a", "b"])
    assert outcomes(merge([WHOLE])) == outcomes(WHOLE)


def test_not_a_number_is_a_reward_like_any_other() -> None:
    episode = replace(WHOLE.episodes[0], reward=math.nan)
    run = replace(WHOLE, episodes=(episode,))
    assert len(merge([run, run]).episodes) == 1


def test_parts_of_a_suite() -> None:
    def state(number: int) -> dict[str, Any]:
        return {"state": np.arange(5000) + number}

    lift = [Episode(seed, state(number), "lift") for seed in (1, 2) for number in (1, 2)]
    whole = rlmesh.evaluate(listens, {"a": Task(Walk(), lift), "b": Task(Walk(), seeds=[1, 2, 3])})
    first = rlmesh.evaluate(listens, {"a": Task(Walk(), lift[:3]), "b": Task(Walk(), seeds=[1])})
    second = rlmesh.evaluate(listens, {"b": Task(Walk(), seeds=[2, 3])})
    third = rlmesh.evaluate(listens, {"a": Task(Walk(), lift[2:])})
    stored = [RunResult.from_bytes(part.to_bytes()) for part in (first, second, third)]
    merged = merge(stored)
    assert outcomes(merged) == outcomes(whole)
    assert [(t.name, t.episodes_digest) for t in merged.settings.tasks] == [("a", ""), ("b", "")]
    assert outcomes(merge([whole, *stored])) == outcomes(whole)
    other = replace(second.settings, tasks=(replace(second.settings.tasks[0], env_id="x"),))
    with pytest.raises(ValueError, match="task 'b': env_id: expected 'Walk', got 'x'"):
        merge([first, replace(second, settings=other)])


def test_what_differs_harmlessly_is_listed_together() -> None:
    def part(index: int, python: str, **settings: Any) -> RunResult:
        retried = {WarningKind.EPISODE_RETRIED: 1}
        episode = EpisodeResult(index, index, 1.0, 1, EpisodeEnd.TERMINATED, warnings=retried)
        return RunResult(
            (episode,),
            timing=Timing(2.0, 1.0),
            started_at=100.0 + index,
            metadata={"note": f"on {index}", "same": 1},
            settings=RunSettings(versions={"python": python, "rlmesh": "1"}, **settings),
            warnings={**retried, WarningKind.ENDPOINT_LEFT_OUT: 1},
            resume_differences=("a", f"b {index}"),
        )

    first = part(1, "3.11", env_servers=("x",), model_server="m", hosts=("desk",), env_hosts=("b",))
    run = merge([first, part(2, "3.12", hosts=("attic",), env_hosts=("a", "b"))])
    assert (run.settings.hosts, run.settings.env_hosts) == (("attic", "desk"), ("a", "b"))
    assert run.settings.versions == {"python": "3.11 | 3.12", "rlmesh": "1"}
    assert (run.settings.env_servers, run.settings.model_server) == (("x",), "m")
    assert run.warnings == {WarningKind.EPISODE_RETRIED: 2, WarningKind.ENDPOINT_LEFT_OUT: 2}
    assert run.metadata == {"note": ("on 1", "on 2"), "same": 1}
    assert (run.timing, run.started_at) == (Timing(4.0, 2.0), 101.0)
    assert run.resume_differences == ("a", "b 1", "b 2")
    assert merge([run, part(2, "3.12")]).warnings == run.warnings


def test_a_sign_of_a_wrong_declaration_comes_once() -> None:
    one, other = (Finding(path, "unit", "9 m", "the unit") for path in ("inputs['x']", "outputs"))
    again = replace(one, seen="8 m")
    parts = [RunResult((), findings=(one,)), RunResult((), findings=(again, other))]
    assert merge(parts).findings == (one, other)
