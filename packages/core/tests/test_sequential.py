"""Statistics that hold at every number of episodes: known values, and error rates by simulation.

The simulations draw from a fixed seed, so that their counts are the same in every run.
"""

from __future__ import annotations

import math
import random
import statistics

import pytest

from rlmesh.results._sequential import (
    MeanSequence,
    SignTest,
    rate_sequence,
    stopped_rate_interval,
)
from rlmesh.results._statistics import wilson_interval
from tests.size import LONG

DRAWS = random.Random(20_261_129)


def test_the_sequence_of_a_rate_has_the_ends_where_the_evidence_is_twenty() -> None:
    """Of one success, the mixture's likelihood is 1/2: p is out if 1 / (2 p) is 20 or more."""
    low, high = rate_sequence(1, 1, 0.95)
    assert (low, high) == (pytest.approx(0.025), 1.0)
    assert rate_sequence(0, 1, 0.95) == (0.0, pytest.approx(0.975))
    assert rate_sequence(0, 0, 0.95) == (0.0, 1.0)
    # Two successes: B(2.5, 0.5) / B(0.5, 0.5) = 3/8, and 3 / (8 p^2) is 20 at the end.
    assert rate_sequence(2, 2, 0.95).low == pytest.approx(math.sqrt(3 / 160))


@pytest.mark.parametrize(("successes", "count"), [(5, 10), (0, 50), (50, 50), (137, 400)])
def test_the_sequence_of_a_rate_is_symmetric_and_holds_the_rate(successes: int, count: int) -> None:
    low, high = rate_sequence(successes, count, 0.9)
    mirrored = rate_sequence(count - successes, count, 0.9)
    assert mirrored == (pytest.approx(1 - high), pytest.approx(1 - low))
    assert low <= successes / count <= high
    wider = rate_sequence(successes, count, 0.99)
    assert wider.low <= low and high <= wider.high


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.93])
def test_the_sequence_of_a_rate_covers_it_after_every_trial_at_once(rate: float) -> None:
    missed = 0
    for _ in range(150):
        successes = 0
        for count in range(1, 61):
            successes += DRAWS.random() < rate
            low, high = rate_sequence(successes, count, 0.9)
            if not low <= rate <= high:
                missed += 1
                break
    assert missed <= 15, "at most one in ten, with confidence 0.9"


@pytest.mark.parametrize("successes", [0, 1, 7, 150, 299, 300])
def test_the_interval_at_a_stop_is_the_exact_one_at_a_higher_confidence(successes: int) -> None:
    scipy = pytest.importorskip("scipy.stats")
    exact = scipy.binomtest(successes, 300).proportion_ci(1 - 0.65 * 0.05, "exact")
    assert stopped_rate_interval(successes, 300, 0.95) == pytest.approx((exact.low, exact.high))


def test_the_interval_at_a_stop_is_computed_for_many_trials_too() -> None:
    low, high = stopped_rate_interval(5000, 10_000, 0.95)
    assert (low, high) == (pytest.approx(0.4894, abs=2e-4), pytest.approx(0.5106, abs=2e-4))
    assert stopped_rate_interval(0, 0, 0.95) == (0.0, 1.0)


def stops(width: float, confidence: float) -> list[tuple[int, int, float, float, float]]:
    """Return trials, successes, log of the number of paths, and interval of each possible stop."""
    going, found, count = {0: 0.0}, [], 0
    while going:
        count += 1
        paths: dict[int, float] = {}
        for successes, log in going.items():
            for more in (successes, successes + 1):
                old = paths.get(more, -math.inf)
                high, low = max(old, log), min(old, log)
                paths[more] = high + math.log1p(math.exp(low - high))
        going = {}
        for successes, log in paths.items():
            ends = (0.0, 1.0)
            rough = wilson_interval(successes, count, confidence)
            if rough.high - rough.low <= width:
                ends = stopped_rate_interval(successes, count, confidence)
            if ends[1] - ends[0] <= width:
                found.append((count, successes, log, *ends))
            else:
                going[successes] = log
    return found


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
@pytest.mark.parametrize("width", [0.4, 0.3, *([0.2] if LONG else [])])
def test_the_interval_at_a_stop_covers_every_rate(width: float, confidence: float) -> None:
    """By all paths, at the rates just inside and outside of each interval, where coverage jumps."""
    found = stops(width, confidence)
    ends = {end for *_, low, high in found for end in (low, high) if 0.0001 < end <= 0.5}
    rates = [end + side for end in sorted(ends) for side in (-1e-9, 1e-9)] + [0.5]
    for rate in rates[:: max(len(rates) // 60, 1)]:
        logs = math.log(rate), math.log1p(-rate)
        covered = math.fsum(
            math.exp(log + successes * logs[0] + (count - successes) * logs[1])
            for count, successes, log, low, high in found
            if low <= rate <= high
        )
        assert covered >= confidence, rate


@pytest.mark.parametrize("alpha", [(1.0, 1.0), (0.5, 4.0), (8.0, 8.0)])
def test_the_sequence_of_a_mean_covers_it_after_every_number_at_once(
    alpha: tuple[float, float],
) -> None:
    a, b = alpha
    mean = -50 + 100 * a / (a + b)
    missed = 0
    for _ in range(200):
        sequence = MeanSequence(-50.0, 50.0, 0.9)
        for _ in range(200):
            sequence.add(-50 + 100 * DRAWS.betavariate(a, b))
            if not sequence.interval.low <= mean <= sequence.interval.high:
                missed += 1
                break
    assert missed <= 20


def test_the_sequence_of_a_mean_narrows_with_the_spread_of_the_numbers() -> None:
    widths = []
    for spread in (0.01, 0.3):
        sequence = MeanSequence(0.0, 1.0, 0.95)
        assert sequence.interval == (0.0, 1.0)
        for i in range(400):
            sequence.add(0.5 + spread * (-1) ** i)
        assert sequence.interval.low <= 0.5 <= sequence.interval.high
        widths.append(sequence.interval.high - sequence.interval.low)
    assert widths[0] < 0.06 and widths[0] < widths[1] / 2


@pytest.mark.parametrize("number", [1.1, -0.1, math.nan, math.inf])
def test_a_number_outside_its_bounds_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="expected a reward from 0 to 1, the bounds given, got"):
        MeanSequence(0.0, 1.0, 0.95).add(number)


def played(share: float, odds: float = 2.0) -> tuple[str, int]:
    """Draw wins of this share until the test has decided; return what, and the number of draws."""
    test = SignTest(odds, 0.95, 0.9)
    while not (test.is_better or test.is_worse or test.is_even):
        test.add(DRAWS.random() < share)
    found = "better" if test.is_better else "worse" if test.is_worse else "even"
    return found, test.wins + test.losses


def test_the_sign_test_finds_a_difference_that_is_none_at_most_once_in_twenty() -> None:
    found = [played(0.5)[0] for _ in range(2000)]
    assert found.count("even") >= 0.95 * 2000


def fixed_pairs(share: float) -> int:
    """Return the number of pairs of the exact two-sided sign test at 5% with a power of 90%."""
    for n in range(10, 500):
        tail, critical = 0.0, n + 1
        while tail + math.comb(n, critical - 1) / 2**n <= 0.025:
            critical -= 1
            tail += math.comb(n, critical) / 2**n
        power = sum(
            math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(critical, n + 1)
        )
        if power >= 0.9:
            return n
    raise AssertionError("no such number")


@pytest.mark.parametrize("odds", [2.0, 3.0])
def test_the_sign_test_has_its_power_with_thirty_percent_fewer_pairs(odds: float) -> None:
    share = odds / (1 + odds)
    for p, right, wrong in ((share, "better", "worse"), (1 - share, "worse", "better")):
        runs = [played(p, odds) for _ in range(1000)]
        decisions = [found for found, _ in runs]
        assert decisions.count(right) >= 0.9 * 1000
        assert decisions.count(wrong) <= 0.025 * 1000
        assert statistics.mean(count for _, count in runs) <= 0.7 * fixed_pairs(share)


def test_the_sign_test_needs_fewer_pairs_if_there_is_no_difference_too() -> None:
    counts = [played(0.5)[1] for _ in range(1000)]
    assert statistics.mean(counts) <= 0.7 * fixed_pairs(2 / 3)


def test_the_share_of_wins_has_an_interval() -> None:
    test = SignTest(2.0, 0.95, 0.9)
    assert math.isnan(test.interval.low)
    test.add(True)
    assert test.interval == rate_sequence(1, 1, 0.95)
