"""Intervals of unweighted means over tasks, against SciPy and by simulation of their coverage.

The simulations draw from a fixed seed, so that their counts are the same in every run.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from rlmesh.results._beta import student_quantile
from rlmesh.results._macro import macro_mean_interval, macro_rate_interval
from rlmesh.results._statistics import bootstrap_interval, mean, score_interval, wilson_interval
from tests.size import LONG

RUNS = 4000 if LONG else 1000
"""Number of simulated runs; of 1000, the share covered has a standard deviation of 0.7%."""


@pytest.mark.parametrize("freedom", [0.7, 1.0, 2.5, 9.0, 30.0, 1234.5])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_students_quantile_as_in_scipy(freedom: float, confidence: float) -> None:
    scipy = pytest.importorskip("scipy.stats")
    expected = scipy.t.ppf((1 + confidence) / 2, freedom)
    assert student_quantile(confidence, freedom) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("sizes", [(2, 3), (12, 30), (5, 200), (2, 2)])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_mean_of_two_means_is_half_of_welchs_difference(
    sizes: tuple[int, int], confidence: float
) -> None:
    """Of the first group and the second one with its sign turned, as in SciPy."""
    scipy = pytest.importorskip("scipy.stats")
    source = random.Random(3)
    one, two = ([source.gauss(i, 1.0 + 4 * i) for _ in range(n)] for i, n in enumerate(sizes))
    welch = scipy.ttest_ind(one, two, equal_var=False).confidence_interval(confidence)
    found = macro_mean_interval([one, [-x for x in two]], confidence)
    assert found == pytest.approx((welch.low / 2, welch.high / 2), rel=1e-8)


def test_the_interval_over_one_task_is_that_of_the_task() -> None:
    numbers = [1.0, 2.0, 4.0, 8.0]
    assert macro_mean_interval([numbers], 0.9) == bootstrap_interval(numbers, 0.9)
    assert macro_rate_interval([(3, 7)], 0.9) == wilson_interval(3, 7, 0.9)


def test_the_interval_of_rates_that_are_equal_is_that_of_all_trials() -> None:
    """But for the variance, which is estimated from one trial less of each group."""
    low, high = macro_rate_interval([(10, 20)] * 4, 0.95)
    assert (low, high) == pytest.approx(score_interval(0.5, 76.0, 0.95))
    assert macro_rate_interval([(20, 20)] * 4, 0.95) == wilson_interval(80, 80, 0.95)
    assert macro_rate_interval([(0, 1)] * 9, 0.95) == wilson_interval(0, 9, 0.95)


GAUSS: Callable[[random.Random], float] = lambda source: source.gauss(1.0, 1.0)  # noqa: E731
SKEWED: Callable[[random.Random], float] = lambda source: source.expovariate(1.0)  # noqa: E731


@pytest.mark.parametrize(
    ("draw", "sizes", "scales"),
    [
        (GAUSS, (3,) * 30, (1.0,) * 30),
        (GAUSS, (5, 50, 20), (1.0, 9.0, 0.1)),
        (GAUSS, (2, 2, 40), (1.0, 1.0, 1.0)),
        (SKEWED, (10,) * 20, (1.0, 3.0) * 10),
        (SKEWED, (30, 30), (1.0, 2.0)),
    ],
)
def test_the_mean_of_means_is_covered_as_often_as_said(
    draw: Callable[[random.Random], float], sizes: tuple[int, ...], scales: tuple[float, ...]
) -> None:
    """Skewed rewards cost a little, as in a single task."""
    source, truth = random.Random(5), mean(scales)
    hits = 0
    for _ in range(RUNS):
        groups = [[s * draw(source) for _ in range(n)] for n, s in zip(sizes, scales)]
        low, high = macro_mean_interval(groups, 0.9)
        hits += low <= truth <= high
    assert hits / RUNS > (0.88 if draw is GAUSS else 0.86)


@pytest.mark.parametrize(
    ("trials", "rates"),
    [
        ((20,) * 5, (0.1, 0.5, 0.9, 0.95, 0.3)),
        ((10,) * 4, (0.98, 0.95, 0.9, 1.0)),
        ((10,) * 50, (0.95,) * 50),
        ((10,) * 50, (0.5,) * 50),
        ((3,) * 30, (0.9,) * 30),
        ((1,) * 50, (0.1, 0.5, 0.9, 0.3, 0.95) * 10),
        ((5, 50, 20), (0.5, 0.02, 0.7)),
        ((5, 100), (0.5, 0.95)),
    ],
)
def test_the_mean_of_rates_is_covered_at_least_as_often_as_said(
    trials: tuple[int, ...], rates: tuple[float, ...]
) -> None:
    """Also for few trials of each task, and for rates near 1, with a variance near 0."""
    source, truth = random.Random(7), mean(rates)
    hits = 0
    for _ in range(RUNS):
        counts = [(sum(source.random() < p for _ in range(n)), n) for n, p in zip(trials, rates)]
        low, high = macro_rate_interval(counts, 0.95)
        hits += low <= truth <= high
    assert hits / RUNS > 0.93


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([], (math.nan, math.nan)),
        ([[1.0, 2.0], [1.0]], (math.nan, math.nan)),
        ([[1.0, 2.0], [1.0, math.inf]], (math.nan, math.nan)),
        ([[1.0, 2.0], []], (math.nan, math.nan)),
        ([[0.0, 0.0], [0.0, 0.0]], (0.0, 0.0)),
        ([[2.0, 2.0], [3.0, 3.0]], (2.5, 2.5)),
    ],
)
def test_means_at_their_edges(groups: list[list[float]], expected: tuple[float, float]) -> None:
    assert macro_mean_interval(groups, 0.95) == pytest.approx(expected, nan_ok=True)


def test_rewards_next_to_the_largest_float_have_an_interval() -> None:
    low, high = macro_mean_interval([[1e308, 9e307, 9.5e307]] * 2, 0.95)
    assert low < 9.5e307 < high < math.inf


def test_no_confidence() -> None:
    for call in (macro_mean_interval, macro_rate_interval):
        with pytest.raises(ValueError, match="expected a confidence between 0 and 1"):
            call([], 1.0)
    assert all(map(math.isnan, macro_rate_interval([], 0.95)))
