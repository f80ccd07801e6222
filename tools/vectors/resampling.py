"""Resized pictures by the weights that A-5 states, without Pillow and OpenCV."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from .pixels import Picture

__all__ = ["weighted", "weighted_floats"]

Row = list[tuple[int, float]]
"""The old pixels of a new one, and their weights."""

Numbers = list[list[tuple[float, ...]]]


def weighted(source: Picture, height: int, width: int, resampler: str) -> Picture:
    """Return a picture in another size, within one shade of what the resampler's library makes."""
    rounded = resampler.startswith("pillow")
    numbers = _whole(_weighted(source, height, width, resampler, rounded=rounded))
    return Picture(tuple(tuple(tuple(map(int, pixel)) for pixel in row) for row in numbers))


def weighted_floats(source: Picture, height: int, width: int, resampler: str) -> list[float]:
    """Return the numbers of a picture of floats in another size, by height, width, channels."""
    numbers = _weighted(source, height, width, resampler, rounded=False)
    return [number for row in numbers for pixel in row for number in pixel]


def _weighted(
    source: Picture, height: int, width: int, resampler: str, *, rounded: bool
) -> Numbers:
    rows, columns, _ = source.shape
    grows = height > rows or width > columns
    sides = [
        (False, _rows(resampler, columns, width, grows)),
        (True, _rows(resampler, rows, height, grows)),
    ]
    if resampler.startswith("pillow") and width > columns and height < rows:
        sides.reverse()
    numbers: Numbers = [list(row) for row in source.rows]
    for down, weights in sides:
        turned = _turned(numbers) if down else numbers
        turned = [[_sum(row, pixels) for pixels in weights] for row in turned]
        numbers = _turned(turned) if down else turned
        if rounded:
            numbers = _whole(numbers)
    return numbers


def _sum(row: list[tuple[float, ...]], pixels: Row) -> tuple[float, ...]:
    return tuple(sum(row[j][c] * weight for j, weight in pixels) for c in range(len(row[0])))


def _turned(numbers: Numbers) -> Numbers:
    return [list(column) for column in zip(*numbers)]


def _whole(numbers: Numbers) -> Numbers:
    return [
        [tuple(min(max(math.floor(x + 0.5), 0), 255) for x in pixel) for pixel in row]
        for row in numbers
    ]


def _rows(resampler: str, old: int, new: int, grows: bool) -> list[Row]:
    """Return the weights for each new pixel, divided by their sum, with the edges repeated."""
    found: list[Row] = []
    for i in range(new):
        pixels = list(_pixels(resampler, i, old, new, grows))
        total = sum(weight for _, weight in pixels)
        found.append([(min(max(j, 0), old - 1), weight / total) for j, weight in pixels])
    return found


def _pixels(resampler: str, i: int, old: int, new: int, grows: bool) -> Iterable[tuple[int, float]]:
    s = old / new
    middle = (i + 0.5) * s
    if resampler in _PILLOW:
        reach, function = _PILLOW[resampler]
        c = max(s, 1.0)
        first, last = (math.floor(middle + sign * reach * c + 0.5) for sign in (-1, 1))
        return [(j, function((j - middle + 0.5) / c)) for j in range(max(first, 0), min(last, old))]
    left = math.floor(middle - 0.5)
    if resampler == "opencv_linear":
        return [(j, 1 - abs(j - middle + 0.5)) for j in (left, left + 1)]
    if resampler == "opencv_cubic":
        return [(j, _cubic(j - middle + 0.5, -0.75)) for j in range(left - 1, left + 3)]
    low, high = i * s, (i + 1) * s
    if not grows:
        # 1e-9: a product that is whole but for rounding covers no part of the next pixel.
        covered = range(math.floor(low), math.ceil(high - 1e-9))
        return [(j, min(j + 1, high) - max(j, low)) for j in covered]
    left = math.floor(low)
    part = (i + 1) - (left + 1) / s
    part = part - math.floor(part) if part > 0 else 0.0
    return [(left, 1 - part), (left + 1, part)]


def _cubic(x: float, a: float) -> float:
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x <= 2 else 0.0


def _sinc(x: float) -> float:
    return math.sin(math.pi * x) / (math.pi * x) if x else 1.0


_PILLOW: dict[str, tuple[float, Callable[[float], float]]] = {
    "pillow_box": (0.5, lambda x: float(-0.5 < x <= 0.5)),
    "pillow_bilinear": (1, lambda x: 1 - abs(x)),
    "pillow_bicubic": (2, lambda x: _cubic(x, -0.5)),
    "pillow_lanczos": (3, lambda x: _sinc(x) * _sinc(x / 3)),
}
"""Reach and weight of each filter of Pillow."""
