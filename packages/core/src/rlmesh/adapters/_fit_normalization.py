"""The step that a normalization is, for the extents of a feature."""

from __future__ import annotations

from dataclasses import replace

from rlmesh._problem import Problem
from rlmesh.adapters._arrays import LARGEST, LEAST, Numbers
from rlmesh.adapters._normalization import MeanStd, MinMax, Normalization
from rlmesh.adapters._slots import is_interval
from rlmesh.adapters._steps import Interval, Standardize, Step

__all__ = ["normalized", "normalized_part"]

_FIX = "correct the model's spec"


def normalized(
    given: Normalization | None, shape: tuple[int, ...] | None, channel_axis: int, path: str
) -> Step | Problem | None:
    """Return the step that normalizes, from the environment to the model, or a problem.

    Args:
        given: The normalization; None: there is none.
        shape: Extents of the feature; None: not known.
        channel_axis: Axis of an image's channels, counted from the end; 0: there are no channels.
        path: Path of the input or output in the spec.
    """
    if given is None:
        return None
    sides = (given.mean, given.std) if isinstance(given, MeanStd) else (given.low, given.high)
    axis = channel_axis or -1
    extent = shape[axis] if shape is not None and len(shape) >= -axis else 1
    count = max(len(sides[0]), len(sides[1]), len(given.mask))
    if count not in (1, extent):
        what = "channel of the image" if channel_axis else "element of the last axis"
        expected = f"statistics of one number, or of one for each {what}, {extent}"
        expected = "a shape, for statistics of one number an element" if shape is None else expected
        return Problem(path, expected, f"{count} of them", _FIX)
    extents = () if count == 1 else (extent, *(1 for _ in range(-1 - axis)))
    one, other = (tuple(map(float, s)) * (count if len(s) == 1 else 1) for s in sides)
    mask = given.mask or (True,) * count
    made = (
        _standardize(one, other, mask, given.epsilon, extents)
        if isinstance(given, MeanStd)
        else _interval(one, other, mask, given, extents)
    )
    return made or Problem(path, "finite statistics that float32 holds", "others", _FIX)


def normalized_part(
    given: Normalization | None, shape: tuple[int, ...], offset: int, length: int, path: str
) -> Step | Problem | None:
    """Return the step that normalizes some elements of the last axis, before they are cut out.

    Args:
        given: The normalization of the elements; None: there is none.
        shape: Extents of the whole feature.
        offset: First of the elements.
        length: Number of the elements.
        path: Path of the input in the spec.
    """
    checked = normalized(given, (length,), 0, path)
    if given is None or isinstance(checked, Problem):
        return checked
    after = shape[-1] - offset - length
    # The elements that are left out anyway are mapped to themselves.
    neutral: dict[str, float] = {"mean": 0.0, "std": 1.0, "low": 0.0, "high": 1.0, "mask": False}
    wide = {
        name: (rest,) * offset + numbers + (rest,) * after
        for name, rest in neutral.items()
        if len(numbers := getattr(given, name, ())) > 1
    }
    return normalized(replace(given, **wide), shape, 0, path)  # type: ignore[arg-type]


def _standardize(
    mean: tuple[float, ...],
    std: tuple[float, ...],
    mask: tuple[bool, ...],
    epsilon: float,
    extents: tuple[int, ...],
) -> Standardize | None:
    center = tuple(x if used else 0.0 for x, used in zip(mean, mask))
    # A divisor of 0, of an element that never changes, counts as 1.
    divisor = tuple((x + epsilon or 1.0) if used else 1.0 for x, used in zip(std, mask))
    if not all(abs(x) < LARGEST for x in (*center, *divisor)) or min(divisor) < LEAST:
        return None
    return Standardize(Numbers(center, extents), Numbers(divisor, extents))


def _interval(
    low: tuple[float, ...],
    high: tuple[float, ...],
    mask: tuple[bool, ...],
    given: MinMax,
    extents: tuple[int, ...],
) -> Interval | None:
    start = tuple(x if used else 0.0 for x, used in zip(low, mask))
    # The number that becomes the upper end of the target.
    end = tuple(
        (b + given.epsilon if b + given.epsilon > a else a + 1.0) if used else 1.0
        for a, b, used in zip(low, high, mask)
    )
    ends = Numbers(start, extents), Numbers(end, extents)
    if not is_interval(*ends):
        return None
    if all(mask):
        return Interval(*ends, Numbers(given.target[:1]), Numbers(given.target[1:]))
    # An element that is not scaled is mapped from [0, 1] to [0, 1].
    return Interval(
        *ends,
        Numbers(tuple(given.target[0] if used else 0.0 for used in mask), extents),
        Numbers(tuple(given.target[1] if used else 1.0 for used in mask), extents),
    )
