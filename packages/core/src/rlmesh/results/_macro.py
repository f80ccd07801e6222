"""Intervals of unweighted means over the tasks of a suite."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rlmesh.results._beta import student_quantile
from rlmesh.results._statistics import (
    UNKNOWN,
    Interval,
    bootstrap_interval,
    check_confidence,
    mean,
    score_interval,
)

__all__ = ["macro_mean_interval", "macro_rate_interval"]


def macro_mean_interval(groups: Sequence[Sequence[float]], confidence: float) -> Interval:
    """Return the interval of the unweighted mean of the means of groups.

    Student's interval with the degrees of freedom of F. E. Satterthwaite, An approximate
    distribution of estimates of variance components, Biometrics Bulletin 2 (1946), 110-114, as in
    B. L. Welch, The generalization of Student's problem when several different population variances
    are involved, Biometrika 34 (1947), 28-35. Of one group, it is the bootstrap interval.

    Args:
        groups: Numbers drawn independently, of each group from a distribution of its own.
        confidence: Probability with which such an interval covers the mean, such as 0.95.

    Returns:
        The interval; NaN twice without groups, if one has fewer than two numbers, or if a number is
        not finite.

    Raises:
        ValueError: If `confidence` is not between 0 and 1.
    """
    check_confidence(confidence)
    if len(groups) == 1:
        return bootstrap_interval(groups[0], confidence)
    largest = max((abs(number) for numbers in groups for number in numbers), default=math.nan)
    if not math.isfinite(largest) or min(map(len, groups)) < 2:
        return UNKNOWN
    center = mean([mean(numbers) for numbers in groups])
    # Of numbers from -1 to 1 the squares are finite.
    scaled = [[number / (largest or 1.0) for number in numbers] for numbers in groups]
    squares = [_squared_error(numbers) for numbers in scaled]
    total = math.fsum(squares)
    if not total:
        return Interval(center, center)
    parts = (square**2 / (len(numbers) - 1) for square, numbers in zip(squares, groups))
    freedom = total**2 / (math.fsum(parts) or math.inf)
    error = student_quantile(confidence, freedom) * math.sqrt(total) / len(groups)
    return Interval(center - largest * error, center + largest * error)


def _squared_error(numbers: Sequence[float]) -> float:
    """Return the estimated variance of the mean of numbers."""
    center, count = mean(numbers), len(numbers)
    return math.fsum((number - center) ** 2 for number in numbers) / (count * (count - 1))


def macro_rate_interval(counts: Sequence[tuple[int, int]], confidence: float) -> Interval:
    """Return the interval of the unweighted mean of the rates of groups.

    Wilson's score interval with the effective number of trials, with which a single rate would have
    the variance that the mean has: E. L. Korn and B. I. Graubard, Confidence intervals for
    proportions with small expected number of positive counts estimated from survey data, Survey
    Methodology 24 (1998), 193-201. As there, the number is at most that of the trials (for groups
    of unequal size, that of L. Kish, Survey Sampling, Wiley 1965), so that groups without a success
    or without a failure, with an estimated variance of 0, do not make the interval too narrow. If
    the rates of the groups differ much, the interval is wider than it need be.

    Args:
        counts: Number of successes and trials of each group; of trials at least 1.
        confidence: Probability with which such an interval covers the rate, such as 0.95.

    Returns:
        The interval, within 0 and 1; NaN twice without groups.

    Raises:
        ValueError: If `confidence` is not between 0 and 1.
    """
    check_confidence(confidence)
    if not counts:
        return UNKNOWN
    rates = [successes / trials for successes, trials in counts]
    rate, squared = mean(rates), len(counts) ** 2
    most = squared / math.fsum(1 / trials for _, trials in counts)
    if len(counts) == 1:
        return score_interval(rate, most, confidence)
    variance = (
        math.fsum(p * (1 - p) / max(trials - 1, 1) for p, (_, trials) in zip(rates, counts))
        / squared
    )
    effective = min(rate * (1 - rate) / variance, most) if variance else most
    return score_interval(rate, effective, confidence)
