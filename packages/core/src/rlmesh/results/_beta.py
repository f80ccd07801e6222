"""The Beta distribution, and Student's, which is made of it, with the standard library."""

from __future__ import annotations

import math

__all__ = ["BISECTIONS", "beta_quantile", "log_beta", "student_quantile"]

BISECTIONS = 60
"""Number of halvings of an interval, after which its ends are floats next to each other."""

_TERMS = 10_000
"""Largest number of terms of a continued fraction; about the root of the trials are needed."""


def beta_quantile(probability: float, a: float, b: float) -> float:
    """Return the quantile of a Beta distribution, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if _beta_distribution(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def student_quantile(confidence: float, freedom: float) -> float:
    """Return the number within which Student's distribution has a share of its values.

    Args:
        confidence: The share, around 0.
        freedom: Degrees of freedom, above 0.
    """
    # If |t| is above the number, freedom / (freedom + t^2), of a Beta distribution, is below this.
    below = beta_quantile(1.0 - confidence, freedom / 2, 0.5)
    return math.sqrt(freedom * (1.0 - below) / below)


def _beta_distribution(x: float, a: float, b: float) -> float:
    """Return the distribution function of a Beta distribution: the incomplete Beta function.

    By its continued fraction, NIST Digital Library of Mathematical Functions, 8.17.22, which
    converges fast below the mean; above it, by the function of the other tail.
    """
    if not 0.0 < x < 1.0:
        return float(x >= 1.0)
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _beta_distribution(1.0 - x, b, a)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta(a, b)) / a
    # Lentz's method: the fraction is the product of ratios of its convergents.
    ratio, numerator, denominator = 1.0, 1.0, 0.0
    for m in range(_TERMS):
        for term in _terms(m, x, a, b):
            denominator = 1.0 / (1.0 + term * denominator)
            numerator = 1.0 + term / numerator
            ratio *= numerator * denominator
        if abs(numerator * denominator - 1.0) < 1e-15:
            break
    return front / ratio


def _terms(m: int, x: float, a: float, b: float) -> tuple[float, ...]:
    """Return the coefficients of the fraction for an index; of the first there is only one."""
    if m == 0:
        return (-(a + b) * a * x / (a * (a + 1.0)),)
    even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
    odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    return even, odd


def log_beta(a: float, b: float) -> float:
    """Return the logarithm of the Beta function."""
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
