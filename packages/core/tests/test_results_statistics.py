"""Intervals and comparisons against published values, other software and their own promise."""

from __future__ import annotations

import itertools
import json
import math
import random
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rlmesh.results import EpisodeEnd, EpisodeResult, Interval, RunResult, compare
from rlmesh.results._macro import macro_mean_interval, macro_rate_interval
from rlmesh.results._resampled_mean import ResampledMean
from rlmesh.results._statistics import (
    MAX_RESAMPLED,
    bootstrap_interval,
    mean,
    paired_interval,
    std,
    wilson_interval,
)
from tests.size import LONG


def run_of(
    rewards: Sequence[float],
    seeds: Sequence[int | None] | None = None,
    success: Sequence[bool | None] = (),
    **facts: Any,
) -> RunResult:
    return RunResult(
        tuple(
            EpisodeResult(
                index=i,
                seed=i if seeds is None else seeds[i],
                reward=reward,
                steps=1,
                end=EpisodeEnd.TERMINATED,
                success=success[i] if success else None,
            )
            for i, reward in enumerate(rewards)
        ),
        **facts,
    )


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (8, 10, 0.4902, 0.9433),
        (20, 20, 1 - 0.1611, 1.0),
    ],
)
def test_wilson_as_published(successes: int, trials: int, low: float, high: float) -> None:
    run = run_of([0.0] * trials, success=[i < successes for i in range(trials)])
    found = run.success_interval()
    assert found == pytest.approx((low, high), abs=5e-5)


def test_wilson_is_where_the_score_test_turns() -> None:
    """By the definition: the ends are the proportions that lie z standard errors off."""
    for trials, confidence in itertools.product((1, 7, 50), (0.5, 0.95, 0.999)):
        z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
        for successes in range(trials + 1):
            share = successes / trials
            for end in wilson_interval(successes, trials, confidence):
                distance = abs(share - end)
                assert distance == pytest.approx(z * math.sqrt(end * (1 - end) / trials), abs=1e-12)


ANSWERS = json.loads(Path(__file__).with_name("statistics_answers.json").read_text("utf-8"))
FUNCTIONS = {f.__name__: f for f in (mean, std, wilson_interval, paired_interval)}
FUNCTIONS |= {f.__name__: f for f in (bootstrap_interval, macro_mean_interval, macro_rate_interval)}


@pytest.mark.parametrize(
    "answer", ANSWERS, ids=lambda a: f"{a['statistic']}-{a['source'].split(',')[0]}"
)
def test_known_answers(answer: Any) -> None:
    """Numbers of SciPy, statsmodels and publications; the table has the source of each.

    An end of a bootstrap interval may differ by 1% of the width.
    """
    found = FUNCTIONS[answer["statistic"]](*answer["arguments"])
    assert found == pytest.approx(answer["expected"], abs=answer["tolerance"])


def test_every_statistic_has_known_answers_with_a_source() -> None:
    assert {answer["statistic"] for answer in ANSWERS} == set(FUNCTIONS)
    assert all(answer["source"] for answer in ANSWERS)
    widths = [a for a in ANSWERS if a["statistic"] == "bootstrap_interval"]
    for answer in widths:
        low, high = answer["expected"]
        assert answer["tolerance"] == pytest.approx((high - low) / 100, rel=1e-6)


def test_paired_proportions_are_covered_as_often_as_said() -> None:
    """Over every table of 20 pairs, by its probability; never seen is a cover below 93%."""
    tables = [t for t in itertools.product(range(21), repeat=4) if sum(t) == 20]
    intervals = [paired_interval(*table, 0.95) for table in tables]
    for chances in [(0.4, 0.2, 0.2, 0.2), (0.6, 0.2, 0.05, 0.15), (0.1, 0.3, 0.1, 0.5)]:
        truth = chances[1] - chances[2]
        covered = math.fsum(
            _multinomial(table, chances)
            for table, (low, high) in zip(tables, intervals)
            if low <= truth <= high
        )
        assert 0.93 < covered < 0.985


def _multinomial(table: tuple[int, ...], chances: tuple[float, ...]) -> float:
    ways = math.factorial(sum(table)) // math.prod(map(math.factorial, table))
    return ways * math.prod(chance**count for chance, count in zip(chances, table))


def test_paired_proportions_turn_with_the_sides() -> None:
    for table in itertools.product((0, 1, 5), repeat=4):
        if any(table):
            both, first, second, neither = table
            low, high = paired_interval(*table, 0.95)
            turned = paired_interval(both, second, first, neither, 0.95)
            assert turned == pytest.approx((-high, -low), abs=1e-15)
            difference = (first - second) / sum(table)
            assert -1 <= low <= difference <= high <= 1


def draws(count: int, seed: int = 0) -> list[float]:
    return [random.Random(f"{seed} {i}").expovariate(1.0) for i in range(count)]


@pytest.mark.parametrize(
    ("numbers", "apart"),
    [
        (draws(8), 0.0),
        (draws(300), 0.0),
        ([0.0] * 30 + [1.0] * 10, 1 / 40),
        ([float(i % 3) / 3 for i in range(50)], 1 / 150),
    ],
    ids=lambda value: str(len(value)) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_bootstrap_as_in_scipy(numbers: list[float], apart: float, confidence: float) -> None:
    """Within 1% of the width of the mean of ten intervals of 20,000 samples each.

    The means of numbers of few kinds are `apart`, and an end may be either of two.
    """
    numpy = pytest.importorskip("numpy")
    stats = pytest.importorskip("scipy.stats")
    intervals = [
        stats.bootstrap(
            (numpy.array(numbers),),
            numpy.mean,
            n_resamples=20_000,
            batch=2_000,
            confidence_level=confidence,
            method="BCa",
            rng=numpy.random.default_rng(seed),
        ).confidence_interval
        for seed in range(10)
    ]
    theirs = Interval(*numpy.mean(intervals, axis=0))
    low, high = run_of(numbers).reward_interval(confidence)
    room = (theirs.high - theirs.low) / 100 + 1.001 * apart
    assert abs(low - theirs.low) < room and abs(high - theirs.high) < room


def exact_means(numbers: Sequence[float]) -> list[tuple[float, float]]:
    """Every mean of a sample with its probability, in ascending order."""
    samples = itertools.product(numbers, repeat=len(numbers))
    chances = Counter(round(math.fsum(sample) / len(numbers), 12) for sample in samples)
    return [(value, n / chances.total()) for value, n in sorted(chances.items())]


@pytest.mark.parametrize("numbers", [[-1.0, 1.0], [-0.7, -0.3, 1.0], [-1.0, 0.0, 0.1, 0.4, 0.5]])
def test_the_distribution_of_means_is_that_of_all_samples(numbers: list[float]) -> None:
    exact = exact_means(numbers)
    means = ResampledMean(numbers)
    below = sum(p for value, p in exact if value < -1e-9)
    equal = sum(p for value, p in exact if abs(value) <= 1e-9)
    assert means.share_below_zero == pytest.approx(below + equal / 2, abs=1e-9)
    spread = math.sqrt(math.fsum(x * x for x in numbers)) / len(numbers)
    reached = 0.0
    for value, chance in exact:
        middle = reached + chance / 2
        assert means.quantile(middle) == pytest.approx(value, abs=0.01 * spread)
        reached += chance


def test_the_closed_form_is_where_many_samples_lead() -> None:
    """On both sides of the number of rewards from which it is used."""
    numbers = draws(MAX_RESAMPLED + 1)
    sampled, closed = (bootstrap_interval(n, 0.95) for n in (numbers[:-1], numbers))
    room = (closed.high - closed.low) / 100
    assert closed == pytest.approx(sampled, abs=room)
    # Not the plain interval: skewed to the right, so that the upper end is farther off.
    center = statistics.fmean(numbers)
    plain = 1.96 * statistics.pstdev(numbers) / math.sqrt(len(numbers))
    assert closed.low > center - plain and closed.high > center + plain


def test_the_bootstrap_covers_the_mean_as_often_as_it_says() -> None:
    """But for a little: it is of order 1/n, and the samples are skewed and of 30 numbers."""
    source = random.Random(5)
    hits, count = 0, 200 if LONG else 60
    for _ in range(count):
        low, high = bootstrap_interval([source.expovariate(1.0) for _ in range(30)], 0.9)
        hits += low <= 1.0 <= high
    assert 0.83 < hits / count < 0.95


def test_the_bootstrap_moves_and_stretches_with_the_numbers() -> None:
    numbers = draws(25)
    low, high = bootstrap_interval(numbers, 0.95)
    moved = bootstrap_interval([3.0 * x - 7.0 for x in numbers], 0.95)
    assert moved == pytest.approx((3 * low - 7, 3 * high - 7), rel=1e-9)
    assert low < statistics.fmean(numbers) < high
    wider = bootstrap_interval(numbers, 0.99)
    assert wider.low < low and high < wider.high


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([], (math.nan, math.nan)),
        ([1.0], (math.nan, math.nan)),
        ([1.0, math.inf], (math.nan, math.nan)),
        ([1.0, math.nan], (math.nan, math.nan)),
        ([2.5, 2.5, 2.5], (2.5, 2.5)),
        ([1e308, -1e308], (-1e308, 1e308)),
        ([0.0, 5e-324], (0.0, 5e-324)),
    ],
)
def test_the_bootstrap_at_its_edges(rewards: list[float], expected: tuple[float, float]) -> None:
    assert run_of(rewards).reward_interval() == pytest.approx(expected, rel=0.05, nan_ok=True)


def test_confidences_next_to_nothing_and_all() -> None:
    numbers = draws(12)
    for confidence in (1e-12, 1 - 1e-15):
        low, high = bootstrap_interval(numbers, confidence)
        assert min(numbers) <= low <= high <= max(numbers)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, -0.5, math.nan])
def test_no_confidence(confidence: float) -> None:
    run = run_of([1.0, 2.0], success=[True, False])
    for call in (
        run.reward_interval,
        run.success_interval,
        lambda confidence: compare(run, run, confidence),
    ):
        with pytest.raises(ValueError, match="expected a confidence between 0 and 1"):
            call(confidence)


def test_the_interval_is_the_same_in_another_process() -> None:
    code = (
        "from rlmesh.results._statistics import bootstrap_interval as f; "
        "print(*map(float.hex, f([1.0, 2.0, 4.0, 8.5], 0.95)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    ours = bootstrap_interval([1.0, 2.0, 4.0, 8.5], 0.95)
    assert done.stdout.split() == [end.hex() for end in ours]


# Comparisons.


def test_pairs_are_of_equal_seeds_whatever_the_order() -> None:
    a = run_of([10.0, 20.0, 30.0, 5.0], [3, 1, 2, 9], [True, True, None, False])
    b = run_of([20.0, 29.0, 4.0, 5.0], [1, 2, 3, 9], [False, True, True, False])
    found = compare(a, b)
    assert [(x.seed, y.seed) for x, y in found.pairs] == [(3, 3), (1, 1), (2, 2), (9, 9)]
    assert found.differences == (6.0, 0.0, 1.0, 0.0)
    assert (found.wins, found.ties, found.losses, found.n_pairs) == (2, 2, 0, 4)
    assert found.reward_difference == 1.75
    assert found.reward_interval == bootstrap_interval([6.0, 0.0, 1.0, 0.0], 0.95)
    # Of seeds 3, 1 and 9, in which both reported success: both, a alone, neither.
    assert found.success_difference == pytest.approx(1 / 3)
    assert found.success_interval == paired_interval(1, 1, 0, 1, 0.95)


def test_a_comparison_turned_around() -> None:
    rewards = draws(20)
    a, b = run_of(rewards), run_of(rewards[::-1])
    forth, back = compare(a, b, 0.9), compare(b, a, 0.9)
    assert (back.wins, back.losses) == (forth.losses, forth.wins)
    assert back.reward_difference == pytest.approx(-forth.reward_difference)
    assert forth.confidence == 0.9
    assert forth.success_difference is None and forth.success_interval is None


def test_pairing_tells_apart_what_two_means_do_not() -> None:
    hard = [100.0 * x for x in draws(30)]
    a = run_of([x + 1 + 0.1 * y for x, y in zip(hard, draws(30, 1))])
    b = run_of(hard)
    assert a.reward_interval().low < b.mean_reward < a.reward_interval().high
    assert compare(a, b).reward_interval.low > 0.9


def test_a_reward_that_is_no_number_wins_nothing() -> None:
    found = compare(run_of([math.nan, 1.0]), run_of([0.0, 0.0]))
    assert (found.wins, found.ties, found.losses) == (1, 0, 0)
    assert math.isnan(found.reward_difference) and math.isnan(found.reward_interval.low)


def test_errors_are_counted_and_told() -> None:
    failed = EpisodeResult(0, 0, 1.0, 1, EpisodeEnd.ERROR)
    found = compare(RunResult((failed,)), run_of([2.0]))
    assert (found.errors, found.losses) == (1, 1)
    assert "1 with an error" in str(found) and "0 wins, 0 ties, 1 losses" in str(found)
    assert "error" not in str(compare(run_of([1.0]), run_of([2.0])))


def test_nothing_beside_nothing() -> None:
    found = compare(RunResult(()), RunResult(()))
    assert found.n_pairs == 0 and math.isnan(found.reward_difference)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ([1, 2], [1, 3], "same seeds: a alone has 2; b alone has 3"),
        ([1, 2], [1], "same seeds: a alone has 2$"),
        (range(20), [], r"a alone has 0, 1, 2, 3, 4 and 15 more$"),
        ([1, 1], [1, 2], r"each seed once, but a has 1 more often"),
        ([1, 2], [7, 7], r"each seed once, but b has 7 more often"),
        ([1, None], [1, 2], r"a seed for each episode, but a has none for 1 \(by index\)"),
    ],
)
def test_runs_that_do_not_pair(first: Any, second: Any, words: str) -> None:
    a, b = (run_of([0.0] * len(seeds), list(seeds)) for seeds in (first, second))
    with pytest.raises(ValueError, match=words):
        compare(a, b)


def test_an_interval_is_a_pair_with_names() -> None:
    low, high = Interval(0.12345, 2.0)
    assert (low, high) == (0.12345, 2.0) and str(Interval(0.12345, 2.0)) == "[0.1235, 2]"
