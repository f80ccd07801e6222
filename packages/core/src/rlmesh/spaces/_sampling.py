"""Draws the elements of arrays, with Gymnasium's distributions."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterable, Sequence
from itertools import islice

from rlmesh.dtypes import DType
from rlmesh.spaces._bounds import Bounds

__all__ = ["sample_bits", "sample_box", "sample_integers"]

_LOW_BIT = bytes(i & 1 for i in range(256))
_EXACT = 2**53  # Up to this span, a random float times the span reaches every integer.
_LARGEST = {
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": 3.4028234663852886e38,
    "float64": sys.float_info.max,
}
"""Largest finite number of each float type."""


def sample_bits(rng: random.Random, size: int) -> bytes:
    """Return `size` random bytes, each 0 or 1."""
    return rng.randbytes(size).translate(_LOW_BIT)


def sample_integers(rng: random.Random, pairs: Iterable[tuple[float, float]]) -> Sequence[float]:
    """Return one random integer for each (low, high), both included."""
    return [rng.randint(int(low), int(high)) for low, high in pairs]


def sample_box(rng: random.Random, dtype: DType, size: int, low: Bounds, high: Bounds) -> bytes:
    """Return the bytes of one random value of a Box of `size` elements."""
    if not size:
        return b""
    if not dtype.is_float:
        return _sample_integer_box(rng, dtype, size, low, high)
    largest = _LARGEST[dtype.name]
    if low.uniform and high.uniform:
        low_bound, high_bound = (dtype.unpack(b.data)[0] for b in (low, high))
        span = high_bound - low_bound
        if -math.inf < low_bound and high_bound < math.inf and math.isfinite(span):
            draw = rng.random
            return dtype.pack([min(high_bound, low_bound + span * draw()) for _ in range(size)])
    pairs = islice(zip(low.values(dtype), high.values(dtype), strict=False), size)
    return dtype.pack([_sample_float(rng, lower, upper, largest) for lower, upper in pairs])


def _sample_integer_box(
    rng: random.Random, dtype: DType, size: int, low: Bounds, high: Bounds
) -> bytes:
    if not (low.uniform and high.uniform):
        pairs = islice(zip(low.values(dtype), high.values(dtype), strict=False), size)
        return dtype.pack(sample_integers(rng, pairs))
    low_bound, high_bound = (int(dtype.unpack(b.data)[0]) for b in (low, high))
    if (low_bound, high_bound) == dtype.limits:
        if dtype.kind == "b":
            return sample_bits(rng, size)
        return rng.randbytes(size * dtype.itemsize)
    span = high_bound - low_bound + 1
    if span <= _EXACT:
        draw = rng.random
        return dtype.pack([low_bound + int(draw() * span) for _ in range(size)])
    return dtype.pack([low_bound + rng.randrange(span) for _ in range(size)])


def _sample_float(rng: random.Random, low: float, high: float, largest: float) -> float:
    if low == -math.inf and high == math.inf:
        return rng.gauss(0.0, 1.0)
    if high == math.inf:
        value = low + rng.expovariate(1.0)
    elif low == -math.inf:
        value = high - rng.expovariate(1.0)
    else:
        part = rng.random()
        value = low * (1.0 - part) + high * part  # `high - low` could overflow.
    if math.isfinite(value):
        value = max(-largest, min(largest, value))
    return max(low, min(high, value))
