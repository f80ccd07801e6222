"""Weights of the pixels of one axis, for resizing on any device by two products of matrices.

They are those of the libraries' own definitions, so that results agree with the libraries' except
for rounding. Sources: the documentation of Pillow's filters (support 1 for BILINEAR, 0.5 for BOX, 2
for BICUBIC with a = -0.5, 3 for LANCZOS; all widened by the factor by which an image shrinks), and
that of OpenCV's INTER_LINEAR, INTER_CUBIC (a = -0.75) and INTER_AREA.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from rlmesh.adapters._transforms import Resampler

__all__ = ["nearest_pixels", "weights"]


def nearest_pixels(source: int, target: int) -> list[int]:
    """Return the pixel, of `source` ones, in which the middle of each of `target` ones lies."""
    return [(2 * i + 1) * source // (2 * target) for i in range(target)]


def weights(resampler: Resampler, source: int, target: int, *, shrinks: bool) -> list[list[float]]:
    """Return the weight of each pixel of one axis for each new pixel.

    Args:
        resampler: The resampler, not NEAREST.
        source: Number of pixels.
        target: New number of pixels.
        shrinks: Whether neither axis of the image grows, on which OPENCV_AREA depends.

    Returns:
        `target` rows of `source` numbers, each with the sum 1.
    """
    rows = _ROWS.get(resampler, _area if shrinks else _area_grown)
    matrix: list[list[float]] = []
    for pixels in rows(source, target):
        row = [0.0] * source
        total = math.fsum(weight for _, weight in pixels)
        for index, weight in pixels:
            row[min(max(index, 0), source - 1)] += weight / total
        matrix.append(row)
    return matrix


Pixels = list[tuple[int, float]]


def _filtered(
    support: float, function: Callable[[float], float]
) -> Callable[..., Iterator[Pixels]]:
    """Return the rows of a filter of Pillow."""

    def rows(source: int, target: int) -> Iterator[Pixels]:
        scale = source / target
        width = max(scale, 1.0)
        for i in range(target):
            middle = (i + 0.5) * scale
            first = max(int(middle - support * width + 0.5), 0)
            last = min(int(middle + support * width + 0.5), source)
            yield [(x, function((x - middle + 0.5) / width)) for x in range(first, last)]

    return rows


def _triangle(x: float) -> float:
    return max(1.0 - abs(x), 0.0)


def _box(x: float) -> float:
    return 1.0 if -0.5 < x <= 0.5 else 0.0


def _cubic(x: float, a: float) -> float:
    x = abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / 3) if -3 <= x < 3 else 0.0


def _sinc(x: float) -> float:
    return 1.0 if x == 0 else math.sin(math.pi * x) / (math.pi * x)


def _interpolated(
    reach: int, function: Callable[[float], float]
) -> Callable[..., Iterator[Pixels]]:
    """Return the rows of an interpolation of OpenCV, between 2 * `reach` pixels."""

    def rows(source: int, target: int) -> Iterator[Pixels]:
        for i in range(target):
            middle = (i + 0.5) * (source / target) - 0.5
            left = math.floor(middle)
            near = range(left - reach + 1, left + reach + 1)
            yield [(x, function(middle - x)) for x in near]

    return rows


def _area(source: int, target: int) -> Iterator[Pixels]:
    scale = source / target
    for i in range(target):
        low, high = i * scale, (i + 1) * scale
        spans = ((x, min(x + 1, high) - max(x, low)) for x in range(int(low), math.ceil(high)))
        yield [(x, span) for x, span in spans if span > 1e-9]


def _area_grown(source: int, target: int) -> Iterator[Pixels]:
    scale = source / target
    for i in range(target):
        left = math.floor(i * scale)
        part = (i + 1) - (left + 1) / scale
        part = part - math.floor(part) if part > 0 else 0.0
        yield [(left, 1 - part), (left + 1, part)]


_ROWS = {
    Resampler.PILLOW_BILINEAR: _filtered(1, _triangle),
    Resampler.PILLOW_BOX: _filtered(0.5, _box),
    Resampler.PILLOW_BICUBIC: _filtered(2, lambda x: _cubic(x, -0.5)),
    Resampler.PILLOW_LANCZOS: _filtered(3, _lanczos),
    Resampler.OPENCV_LINEAR: _interpolated(1, _triangle),
    Resampler.OPENCV_CUBIC: _interpolated(2, lambda x: _cubic(x, -0.75)),
}
