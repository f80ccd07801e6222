"""Means and intervals, computed with the standard library and identical on every machine."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from rlmesh.results._resampled_mean import ResampledMean

__all__ = [
    "Interval",
    "bootstrap_interval",
    "mean",
    "paired_interval",
    "score_interval",
    "std",
    "wilson_interval",
]

MAX_RESAMPLED = 10_000
"""Largest number of values that are resampled; above it, the closed form differs by less than 1% of
the width."""

_NORMAL = statistics.NormalDist()


class Interval(NamedTuple):
    """A confidence interval.

    Attributes:
        low: Lower end.
        high: Upper end.
    """

    low: float
    high: float

    def __str__(self) -> str:
        return f"[{self.low:.4g}, {self.high:.4g}]"


UNKNOWN = Interval(math.nan, math.nan)
"""The interval of a quantity that cannot be estimated: NaN twice."""


def check_confidence(confidence: float) -> None:
    """Refuse a number that is not a confidence level.

    Raises:
        ValueError: If `confidence` is not between 0 and 1, both excluded.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"expected a confidence between 0 and 1, got {confidence!r}")


def mean(numbers: Sequence[float]) -> float:
    """Return the mean, correctly rounded if it is finite; NaN without numbers."""
    if not numbers:
        return math.nan
    try:
        return math.fsum(numbers) / len(numbers)
    except (OverflowError, ValueError):  # The sum overflows, or has infinities of both signs.
        return sum(number / len(numbers) for number in numbers)


def std(numbers: Sequence[float]) -> float:
    """Return the population standard deviation; NaN without numbers or if one is not finite."""
    if not numbers or not all(map(math.isfinite, numbers)):
        return math.nan
    try:
        return statistics.pstdev(numbers)
    except OverflowError:  # On Python 3.10, the squares may overflow.
        scale = float(max(map(abs, numbers)))
        return scale * statistics.pstdev([number / scale for number in numbers])


def bootstrap_interval(numbers: Sequence[float], confidence: float) -> Interval:
    """Return the bias-corrected and accelerated (BCa) bootstrap interval of a mean.

    B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, Chapman & Hall 1993, chapter
    14: BCa, with the acceleration of the jackknife, for all samples at once (see `ResampledMean`);
    above `MAX_RESAMPLED` numbers the chapter's ABC interval, which is BCa's closed form and for a
    mean is exact to the same order. No random numbers are drawn, so that the same numbers have the
    same interval in every process and, but for the last digits, on every machine.

    Args:
        numbers: Numbers drawn independently.
        confidence: Probability with which such an interval covers the mean, such as 0.95.

    Returns:
        The interval; for equal numbers, that number twice; NaN twice for fewer than two numbers or
        if one is not finite.

    Raises:
        ValueError: If `confidence` is not between 0 and 1.
    """
    check_confidence(confidence)
    if len(numbers) < 2 or not all(map(math.isfinite, numbers)):
        return UNKNOWN
    return _bca(tuple(numbers), confidence)


@lru_cache(maxsize=8)  # A report and a table request the same intervals again.
def _bca(numbers: tuple[float, ...], confidence: float) -> Interval:
    center = mean(numbers)
    scale = max(abs(number - center) for number in numbers)
    if scale == 0.0 or not math.isfinite(scale):
        return Interval(center, center) if scale == 0.0 else UNKNOWN
    parts = [(number - center) / scale for number in numbers]
    acceleration = _acceleration(parts)
    tails = [_NORMAL.inv_cdf(p) for p in ((1 - confidence) / 2, (1 + confidence) / 2)]
    if len(parts) > MAX_RESAMPLED:
        error = math.sqrt(math.fsum(part * part for part in parts)) / len(parts)
        ends = [error * _abc_point(z, acceleration) for z in tails]
    else:
        means = ResampledMean(parts)
        shift = _NORMAL.inv_cdf(means.share_below_zero)
        ends = [means.quantile(_corrected(z, shift, acceleration)) for z in tails]
    # A mean is never outside the range of its numbers, except by rounding.
    smallest, largest = min(numbers), max(numbers)
    return Interval(*(min(max(center + scale * end, smallest), largest) for end in ends))


def _acceleration(parts: Sequence[float]) -> float:
    """Return the acceleration of a mean by the jackknife, for numbers with the mean 0."""
    # Leaving one number out changes the mean in proportion to that number.
    squares = math.fsum(part**2 for part in parts)
    return math.fsum(part**3 for part in parts) / (6 * squares * math.sqrt(squares))


def _corrected(z: float, shift: float, acceleration: float) -> float:
    """Return the probability of the quantile that corresponds to the normal quantile `z`."""
    moved = shift + z
    rest = 1 - acceleration * moved
    return _NORMAL.cdf(shift + moved / rest) if rest > 0 else float(moved > 0)


def _abc_point(z: float, acceleration: float) -> float:
    """Return an end of the ABC interval, in standard errors.

    For a mean, the bias and the curvature of the general formula are 0.
    """
    moved = acceleration + z
    return moved / (1 - acceleration * moved) ** 2


def wilson_interval(successes: int, trials: int, confidence: float) -> Interval:
    """Return the score interval of a proportion.

    E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal of
    the American Statistical Association 22 (1927), 209-212; without continuity correction.

    Args:
        successes: Number of successes, 0 to `trials`.
        trials: Number of trials, at least 1.
        confidence: Probability with which such an interval covers the proportion, such as 0.95.

    Returns:
        The interval, within 0 and 1.

    Raises:
        ValueError: If `confidence` is not between 0 and 1.
    """
    return score_interval(successes / trials, trials, confidence)


def score_interval(share: float, trials: float, confidence: float) -> Interval:
    """Return the score interval of a share of trials, of which the number need not be whole."""
    check_confidence(confidence)
    z = _NORMAL.inv_cdf((1 + confidence) / 2)
    spread = z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    center = share + z * z / (2 * trials)
    whole = 1 + z * z / trials
    # If all trials had the same outcome, that end is exact, and rounding must not move it.
    low = max(0.0, (center - spread) / whole) if share > 0 else 0.0
    high = min(1.0, (center + spread) / whole) if share < 1 else 1.0
    return Interval(low, high)


def paired_interval(
    both: int, first: int, second: int, neither: int, confidence: float
) -> Interval:
    """Return the interval of a difference of two proportions of the same trials.

    R. G. Newcombe, Improved confidence intervals for the difference between binomial proportions
    based on paired data, Statistics in Medicine 17 (1998), 2635-2650, method 10: the two Wilson
    intervals, squared and added, minus what the pairs have in common.

    Args:
        both: Number of pairs in which both succeeded.
        first: Number of pairs in which only the first succeeded.
        second: Number of pairs in which only the second succeeded.
        neither: Number of pairs in which neither succeeded.
        confidence: Probability with which such an interval covers the difference, such as 0.95.

    Returns:
        The interval of the first proportion minus the second, within -1 and 1.

    Raises:
        ValueError: If `confidence` is not between 0 and 1.
    """
    n = both + first + second + neither
    sums = (both + first, both + second)
    p, q = sums[0] / n, sums[1] / n
    (p_low, p_high), (q_low, q_high) = (wilson_interval(k, n, confidence) for k in sums)
    phi = _phi(both, first, second, neither)

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))

    low = p - q - reach(p - p_low, q_high - q)
    high = p - q + reach(p_high - p, q - q_low)
    return Interval(max(-1.0, low), min(1.0, high))


def _phi(both: int, first: int, second: int, neither: int) -> float:
    """Return the correlation of the two, corrected for continuity if it is positive."""
    product = (both + first) * (second + neither) * (both + second) * (first + neither)
    if not product:
        return 0.0
    cross = float(both * neither - first * second)
    if cross > 0:
        cross = max(cross - (both + first + second + neither) / 2, 0.0)
    return cross / math.sqrt(product)
