"""Statistics that hold although a run stops as soon as they are good enough.

Those of this module that hold after every number of episodes at once rest on Ville's inequality: a
nonnegative martingale that begins at 1 reaches 1 / alpha with a probability of at most alpha,
however long it goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from rlmesh.results._beta import BISECTIONS, beta_quantile, log_beta
from rlmesh.results._statistics import UNKNOWN, Interval

__all__ = ["MeanSequence", "SignTest", "rate_sequence", "stopped_rate_interval"]

_PRIOR = 0.5
"""Both parameters of the Beta distribution that rates are mixed by (that of Jeffreys)."""

_ROUNDING = 1e-9
"""Part of the width of the bounds by which a number may lie outside of them."""

_STRICTNESS = 0.65
"""Part of the error that an interval of a fixed number of trials may have, so that the interval at
which a run stops has at most the whole of it."""


def stopped_rate_interval(successes: int, count: int, confidence: float) -> Interval:
    """Return the interval of a rate, of a run that stops as soon as the interval is narrow enough.

    The exact interval of C. J. Clopper and E. S. Pearson, The use of confidence or fiducial limits
    illustrated in the case of the binomial, Biometrika 26 (1934), 404-413, at a higher confidence,
    1 - 0.65 (1 - confidence), as in J. Frey, Fixed-width sequential confidence intervals for a
    proportion, The American Statistician 64 (2010), 242-249. The factor is one with which the
    coverage, computed over all paths of successes and failures, is at least `confidence` for every
    rate (widths of 0.2 to 0.4, confidences of 0.9 to 0.99); for narrower intervals it is larger.

    Args:
        successes: Number of successes.
        count: Number of trials.
        confidence: Probability with which the interval at the stop covers the rate.

    Returns:
        The interval; (0, 1) without trials.
    """
    tail = _STRICTNESS * (1.0 - confidence) / 2
    failures = count - successes
    low, high = 0.0, 1.0
    if successes:
        low = beta_quantile(tail, successes, failures + 1)
    if failures:
        high = 1.0 - beta_quantile(tail, failures, successes + 1)
    return Interval(low, high)


def rate_sequence(successes: int, count: int, confidence: float) -> Interval:
    """Return the confidence sequence of a rate after `count` trials.

    The rates whose likelihood ratio against the mixture of all rates, weighted by Beta(1/2, 1/2),
    is below 1 / (1 - confidence). The ratio is a martingale of the true rate: H. Robbins,
    Statistical methods related to the law of the iterated logarithm, Annals of Mathematical
    Statistics 41 (1970), 1397-1409.

    Args:
        successes: Number of successes.
        count: Number of trials.
        confidence: Probability with which the intervals after all numbers of trials cover the rate.

    Returns:
        The interval; (0, 1) without trials.
    """
    failures = count - successes
    mixture = log_beta(_PRIOR + successes, _PRIOR + failures) - log_beta(_PRIOR, _PRIOR)
    limit = -math.log1p(-confidence)

    def is_out(rate: float) -> bool:
        return mixture - _log_likelihood(rate, successes, failures) >= limit

    rate = successes / count if count else 0.5
    return Interval(_end(is_out, rate, 0.0), _end(is_out, rate, 1.0))


def _log_likelihood(rate: float, successes: int, failures: int) -> float:
    if (rate <= 0.0 and successes) or (rate >= 1.0 and failures):
        return -math.inf
    first = successes * math.log(rate) if successes else 0.0
    return first + (failures * math.log1p(-rate) if failures else 0.0)


def _end(is_out: Callable[[float], bool], inside: float, outside: float) -> float:
    """Return the end of an interval, between a number inside it and one that may be outside."""
    if not is_out(outside):
        return outside
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        if is_out(middle):
            outside = middle
        else:
            inside = middle
    return outside


class MeanSequence:
    """The confidence sequence of the mean of numbers within known bounds.

    The predictable plug-in empirical-Bernstein sequence: I. Waudby-Smith and A. Ramdas, Estimating
    means of bounded random variables by betting, Journal of the Royal Statistical Society B 86
    (2024), 1-27, theorem 2.

    Args:
        low: Smallest number that is possible.
        high: Largest number that is possible.
        confidence: Probability with which the intervals after all numbers cover the mean.
    """

    def __init__(self, low: float, high: float, confidence: float) -> None:
        self._low, self._width = low, high - low
        self._log = math.log(2.0 / (1.0 - confidence))
        self._count = 0
        self._sum = 0.5  # Of the scaled numbers, with one half as a number before the first.
        self._squares = 0.25  # Of their distances to the mean, with one quarter before the first.
        self._weights = self._weighted = self._spread = 0.0

    def add(self, number: float) -> None:
        """Add a number.

        Raises:
            ValueError: If it is not within the bounds.
        """
        x = (number - self._low) / self._width
        if -_ROUNDING <= x <= 1.0 + _ROUNDING:
            x = min(max(x, 0.0), 1.0)  # A sum of rewards may leave the bounds by its rounding.
        else:
            bounds = f"{self._low:g} to {self._low + self._width:g}"
            raise ValueError(f"expected a reward from {bounds}, the bounds given, got {number!r}")
        self._count += 1
        mean_before, variance_before = self._sum / self._count, self._squares / self._count
        growth = variance_before * self._count * math.log1p(self._count)
        weight = min(math.sqrt(2.0 * self._log / growth), 0.5)
        self._weights += weight
        self._weighted += weight * x
        self._spread += (x - mean_before) ** 2 * (-math.log1p(-weight) - weight)
        self._sum += x
        self._squares += (x - self._sum / (self._count + 1)) ** 2

    @property
    def interval(self) -> Interval:
        """The interval after the numbers so far; the bounds without a number."""
        if not self._count:
            return Interval(self._low, self._low + self._width)
        center = self._weighted / self._weights
        radius = (self._log + self._spread) / self._weights
        ends = (max(center - radius, 0.0), min(center + radius, 1.0))
        return Interval(*(self._low + self._width * end for end in ends))


class SignTest:
    """A sequential test of whether wins are as frequent as losses.

    Two of Wald's sequential probability ratio tests at once, of even odds against `odds` and
    against 1 / `odds`: A. Wald, Sequential tests of statistical hypotheses, Annals of Mathematical
    Statistics 16 (1945), 117-186. By Ville's inequality a test wrongly finds a difference with a
    probability of at most (1 - confidence) / 2, and wrongly excludes odds of at least `odds` with
    at most 1 - power.

    Args:
        odds: Smallest ratio of wins to losses that is to be found; above 1.
        confidence: Probability of finding no difference if there is none.
        power: Probability of finding a difference if the ratio of wins to losses, or of losses to
            wins, is `odds` or more.

    Attributes:
        wins: Number of wins.
        losses: Number of losses.
    """

    def __init__(self, odds: float, confidence: float, power: float) -> None:
        self.wins = self.losses = 0
        self._frequent = math.log(2.0 * odds / (1.0 + odds))
        self._rare = math.log(2.0 / (1.0 + odds))
        self._found = math.log(2.0 / (1.0 - confidence))
        self._excluded = math.log(1.0 - power)
        self._confidence = confidence
        self._better_excluded = self._worse_excluded = False

    def add(self, is_win: bool) -> None:
        """Add a win or a loss."""
        self.wins += is_win
        self.losses += not is_win
        self._better_excluded |= self._evidence(self.wins, self.losses) <= self._excluded
        self._worse_excluded |= self._evidence(self.losses, self.wins) <= self._excluded

    def _evidence(self, more: int, fewer: int) -> float:
        """Return the log likelihood ratio of `odds` against even odds."""
        return more * self._frequent + fewer * self._rare

    @property
    def is_better(self) -> bool:
        """Whether wins are more frequent than losses."""
        return self._evidence(self.wins, self.losses) >= self._found

    @property
    def is_worse(self) -> bool:
        """Whether losses are more frequent than wins."""
        return self._evidence(self.losses, self.wins) >= self._found

    @property
    def is_even(self) -> bool:
        """Whether odds of `odds` or more are excluded for wins and for losses."""
        return self._better_excluded and self._worse_excluded

    @property
    def interval(self) -> Interval:
        """The confidence sequence of the share of wins among wins and losses; NaN without any."""
        count = self.wins + self.losses
        return rate_sequence(self.wins, count, self._confidence) if count else UNKNOWN
