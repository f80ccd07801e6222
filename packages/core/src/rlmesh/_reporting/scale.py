"""Positions of numbers on an axis."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

__all__ = ["Scale"]

MOST_TICKS = 8
LARGEST = sys.float_info.max


class Scale:
    """A linear map from numbers to positions.

    Args:
        low: Smallest number; finite.
        high: Largest number; finite, and not below `low`.
        start: Position of `low`.
        end: Position of `high`.
    """

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        if low == high:  # Widen the scale, so that a single number is in the middle.
            margin = abs(low) / 2 or 0.5
            low = max(low - margin, -LARGEST)
            high = min(high + margin, LARGEST)
        # Scale down, so that the difference of very large numbers is finite.
        self._shrink = 1.0 if math.isfinite(high - low) else 0.25
        self._low, self._high = low * self._shrink, high * self._shrink
        self._start, self._end = start, end

    @classmethod
    def around(
        cls, numbers: Sequence[float], start: float, end: float, *, zero: bool = False
    ) -> Scale:
        """Return a scale that includes some finite numbers, and 0 if `zero` is set."""
        fitted = [*numbers, 0.0] if zero or not numbers else numbers
        return cls(min(fitted), max(fitted), start, end)

    def __call__(self, number: float) -> float:
        """Return the position of a number."""
        share = (number * self._shrink - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    @property
    def ends(self) -> tuple[float, float]:
        """The numbers at the two ends."""
        return self._low / self._shrink, self._high / self._shrink

    def edges(self, count: int) -> list[float]:
        """Return the ends of `count` equal parts, in order."""
        step = (self._high - self._low) / count
        inner = [min(self._low + i * step, self._high) / self._shrink for i in range(1, count)]
        low, high = self.ends
        return [low, *inner, high]

    def ticks(self, whole: bool = False) -> list[float]:
        """Return round numbers on the scale: multiples of 1, 2 or 5 times a power of ten."""
        span = self._high - self._low
        power = 10.0 ** math.floor(math.log10(span) - math.log10(MOST_TICKS))
        steps = [power * factor for factor in (1, 2, 5, 10) if not whole or power * factor >= 1]
        step = next((s for s in steps if s and span / s <= MOST_TICKS), 0.0)
        # Beyond 2**52 steps, multiples of the step are no longer distinct floats.
        if not step or abs(self._low / step) > 2**52:
            return list(self.ends)
        first, last = math.ceil(self._low / step), math.floor(self._high / step)
        return [i * step / self._shrink for i in range(first, last + 1)]
