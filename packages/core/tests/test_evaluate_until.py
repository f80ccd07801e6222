"""Runs that a stopping rule ends early: equal on any number of endpoints, and resumable."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import rlmesh
from rlmesh import RunResult, evaluate
from rlmesh.errors import JournalError, RunError
from rlmesh.results import EpisodeResult, StopDecision, Stopping
from rlmesh.spaces import Discrete
from rlmesh.stopping import DifferenceDecided, IntervalWidth, StoppingRule

SEEDS = range(400)


class Odd:
    """An episode of one step, with success and a reward of 1 if its seed is odd."""

    observation_space = Discrete(9)
    action_space = Discrete(2)

    def __init__(self, success: Any = lambda seed: seed % 2 == 1) -> None:
        self.success = success
        self.resets = 0

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.seed = seed
        self.resets += 1
        return 0, {}

    def step(self, action: Any) -> Any:
        success = self.success(self.seed)
        if success is None:
            raise RuntimeError("it broke")
        return 1, float(success), True, False, {"success": bool(success)}

    def close(self) -> None: ...


def run(until: Any, envs: Any = None, **more: Any) -> RunResult:
    envs = [Odd()] if envs is None else envs
    given: dict[str, Any] = {"seeds": SEEDS, "until": until, "retries": 0, **more}
    return evaluate(lambda observation: 0, envs, **given)


def test_a_run_stops_once_its_success_rate_is_known_well_enough() -> None:
    result = run(IntervalWidth(0.2))
    assert result.stopping is not None and result.stopping.decision is StopDecision.PRECISE
    low, high = result.stopping.interval
    assert low < 0.5 < high and high - low <= 0.2
    assert 100 < len(result.episodes) < 125 and result.stopping.discarded == 0
    assert result.settings.until == "success rate known to a width of 0.2 at 0.95"
    before = run(IntervalWidth(0.2), seeds=range(len(result.episodes) - 1))
    assert before.stopping is not None, "one episode fewer is not enough"
    assert before.stopping.decision is StopDecision.UNDECIDED
    assert len(before.episodes) == len(result.episodes) - 1


def test_the_result_does_not_depend_on_the_number_of_endpoints() -> None:
    alone = run(IntervalWidth(0.25))
    many = [Odd() for _ in range(7)]
    result = run(IntervalWidth(0.25), many)
    assert [e.seed for e in result.episodes] == [e.seed for e in alone.episodes]
    assert result.rewards == alone.rewards
    assert alone.stopping == replace(result.stopping or alone.stopping, discarded=0)  # type: ignore[arg-type]
    assert sum(env.resets for env in many) < len(SEEDS)


def test_a_run_stops_at_a_mean_reward_within_bounds() -> None:
    result = run(IntervalWidth(0.4, of="reward", bounds=(0.0, 1.0)))
    assert result.stopping is not None and result.stopping.decision is StopDecision.PRECISE
    assert result.stopping.interval.low <= 0.5 <= result.stopping.interval.high
    assert len(result.episodes) < 300


def test_a_reward_beyond_its_bounds_is_warned_of_and_the_run_goes_on() -> None:
    env = Odd(lambda seed: 2 if seed == 3 else 0)
    rule = IntervalWidth(0.4, of="reward", bounds=(0.0, 1.0))
    with pytest.warns(RuntimeWarning, match="episode 3: .*from 0 to 1, the bounds given, got 2"):
        result = run(rule, [env], seeds=range(60))
    assert len(result.episodes) == 60 and result.stopping is not None
    assert result.stopping.decision is StopDecision.UNDECIDED


def test_a_reward_may_leave_its_bounds_by_rounding() -> None:
    env = Odd(lambda seed: 0.1 + 0.2)
    rule = IntervalWidth(0.2, of="reward", bounds=(0, 0.3))
    assert run(rule, [env]).stopping.decision is StopDecision.PRECISE  # type: ignore[union-attr]


def test_without_reports_of_success_every_episode_is_played() -> None:
    class Silent(Odd):
        def step(self, action: Any) -> Any:
            return 1, 0.0, True, False, {}

    result = run(IntervalWidth(0.2), [Silent()], seeds=range(20))
    assert result.stopping == Stopping(StopDecision.UNDECIDED, (0.0, 1.0))  # type: ignore[arg-type]
    assert len(result.episodes) == 20


def test_an_episode_that_ended_with_an_error_is_a_failure() -> None:
    env = Odd(lambda seed: None if seed % 2 else True)
    result = run(IntervalWidth(0.3), [env])
    assert result.stopping is not None and result.success_rate == pytest.approx(0.5, abs=0.05)
    assert result.stopping.interval.low <= 0.5 <= result.stopping.interval.high


@pytest.mark.parametrize(
    ("success", "decision"),
    [
        (lambda seed: True, StopDecision.BETTER),
        (lambda seed: False, StopDecision.WORSE),
        (lambda seed: seed % 4 < 2, StopDecision.NO_DIFFERENCE),
        (lambda seed: seed % 2 == 1, StopDecision.UNDECIDED),
    ],
    ids=["better", "worse", "even", "equal"],
)
@pytest.mark.parametrize("of", ["success", "reward"])
def test_a_difference_to_another_run_is_decided(success: Any, decision: Any, of: Any) -> None:
    other = run(None)
    result = run(DifferenceDecided(other, of=of), [Odd(success)])
    assert result.stopping is not None and result.stopping.decision is decision
    assert (len(result.episodes) == len(SEEDS)) == (decision is StopDecision.UNDECIDED)
    assert other.stopping is None and other.settings.until == ""


def test_a_run_that_was_stopped_resumes_to_the_same_result(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    envs = [Odd() for _ in range(7)]
    first = run(IntervalWidth(0.25), envs, journal=journal)
    env = Odd()
    again = run(IntervalWidth(0.25), [env], journal=journal, resume=True)
    assert env.resets == 0
    assert (again.episodes, again.stopping) == (first.episodes, first.stopping)
    read = RunResult.from_journal(journal)
    assert (read.episodes, read.stopping) == (first.episodes, first.stopping)
    more = run(None, [env], journal=journal, resume=True, force_resume=True)
    read = RunResult.from_journal(journal)
    assert read.stopping is None and len(read.episodes) == len(more.episodes) == len(SEEDS)


def test_a_run_with_another_rule_does_not_resume(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    run(IntervalWidth(0.4), journal=journal)
    with pytest.raises(JournalError, match=r"until: expected '.*width of 0\.2 .*', got '.*0\.4"):
        run(IntervalWidth(0.2), journal=journal, resume=True)


def test_a_run_that_was_cut_short_resumes_to_the_same_result(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    whole = run(IntervalWidth(0.25))
    left = [20]

    class Hook:
        def on_episode_end(self, event: Any) -> None:
            left[0] -= 1
            if not left[0]:
                raise RuntimeError("enough")

    with pytest.raises(RunError, match="enough"):
        run(IntervalWidth(0.25), journal=journal, hooks=Hook())
    again = run(IntervalWidth(0.25), journal=journal, resume=True)
    assert (again.rewards, again.stopping) == (whole.rewards, whole.stopping)


def test_the_result_is_kept_by_every_form() -> None:
    result = run(IntervalWidth(0.3))
    assert RunResult.from_json(result.to_json()).stopping == result.stopping
    assert RunResult.from_bytes(result.to_bytes()).stopping == result.stopping
    assert "interval for a run with this rule" in result.to_html()
    summary = json.loads(result.to_json())["summary"]
    assert summary["success_interval"] is summary["reward_interval"] is None
    assert rlmesh.results.merge([result]).stopping is None  # type: ignore[attr-defined]


class Third(StoppingRule):
    """A rule of a user: stop after three episodes."""

    description = "three"

    def begin(self, seeds: Sequence[int | None]) -> Any:
        seen: list[EpisodeResult] = []

        class Tally:
            def add(self, episode: EpisodeResult) -> Stopping | None:
                seen.append(episode)
                return Stopping(StopDecision.PRECISE) if len(seen) == 3 else None

            def undecided(self) -> Stopping:
                return Stopping(StopDecision.UNDECIDED)

        return Tally()


def test_a_rule_of_a_user_works() -> None:
    assert len(run(Third()).episodes) == 3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: IntervalWidth(0), "expected a width above 0"),
        (lambda: IntervalWidth(0.1, confidence=1.0), "confidence between 0 and 1"),
        (lambda: IntervalWidth(0.1, of="rewards"), "of='rewards' is not"),  # type: ignore[arg-type]
        (lambda: IntervalWidth(0.1, of="reward"), "expected bounds"),
        (lambda: IntervalWidth(0.1, bounds=(0, 1)), "expected bounds"),
        (lambda: IntervalWidth(0.1, of="reward", bounds=(1, 0)), "low before high"),
        (lambda: DifferenceDecided(run(None, seeds=[1]), odds=1.0), "expected odds above 1"),
        (lambda: DifferenceDecided(run(None, seeds=[1, 1])), "another one of seed 1"),
        (lambda: DifferenceDecided(run(None, seeds=None)), "another one without a seed"),
        (
            lambda: run(DifferenceDecided(run(None, seeds=[1])), seeds=[1, 2, 3]),
            "lacks seed 2 and 1 more",
        ),
        (lambda: run(DifferenceDecided(run(None, seeds=[1])), seeds=[1, 1]), "each seed once"),
        (lambda: run(IntervalWidth(0.1), {"a": [Odd()]}), "until= is for one task"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_episode(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("until", [0.1, IntervalWidth])
def test_what_is_no_rule_is_refused(until: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a rule of rlmesh\.stopping as until, got "):
        run(until)


def test_equal_rules_have_equal_descriptions() -> None:
    assert IntervalWidth(1).description == IntervalWidth(1.0).description
    assert IntervalWidth(0.5).description != IntervalWidth(0.5000001).description
    bounded = [IntervalWidth(1, of="reward", bounds=b) for b in ([0, 1], (0.0, 1.0))]  # type: ignore[arg-type]
    assert bounded[0] == bounded[1] and bounded[0].description == bounded[1].description


@pytest.mark.parametrize(
    ("tally", "words"),
    [
        (object(), r"begin\(\) of the rule .* returned a object"),
        (SimpleNamespace(add=lambda episode: True, undecided=None), r"add\(\) .* returned a bool"),
    ],
)
def test_a_faulty_rule_of_a_user_is_named_and_loses_no_episode(tally: Any, words: str) -> None:
    rule = Third()
    rule.begin = lambda seeds: tally  # type: ignore[method-assign]
    with pytest.raises((TypeError, RunError), match=words) as caught:
        run(rule)
    if isinstance(caught.value, RunError):
        assert len(caught.value.result.episodes) == 1
