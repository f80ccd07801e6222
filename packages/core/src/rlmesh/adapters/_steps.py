"""Conversions of arrays, each with the one that undoes it.

They act on the last axes of an array, so that batch axes before them need nothing. They are written
from the environment to the model: an input takes them as they are, an output takes their inverses
in the opposite order.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

from rlmesh.adapters._arrays import Arrays, Numbers
from rlmesh.adapters._rotations import convert_rotation
from rlmesh.adapters._tags import ColorSpace, ImageLayout, RotationFormat
from rlmesh.dtypes import DType

__all__ = ["Chain", "Factor", "Image", "Interval", "Reorder", "Rotate", "Standardize", "Step"]

_LUMINANCE = {ColorSpace.RGB: (0.299, 0.587, 0.114), ColorSpace.BGR: (0.114, 0.587, 0.299)}
"""Weights of red, green and blue: ITU-R BT.601, as OpenCV and Pillow have them."""


class Step(Protocol):
    """One conversion."""

    @property
    def calculates(self) -> bool:
        """Whether the numbers change; else they only move."""
        ...

    def inverse(self) -> Step:
        """The conversion that undoes this one."""
        ...

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """The array, converted."""
        ...


@dataclass(frozen=True)
class Interval:
    """[start, end] to [low, high], linearly.

    Attributes:
        start: What becomes `low`.
        end: What becomes `high`.
        low: Image of `start`.
        high: Image of `end`.
        guarded: `end` becomes `high` to the bit, and rounding leads no number out of [low, high]
            that was within [start, end].
    """

    start: Numbers
    end: Numbers
    low: Numbers
    high: Numbers
    guarded: bool = False
    calculates = True

    @cached_property
    def _ratio(self) -> tuple[Numbers, Numbers]:
        """What is multiplied by, and what divided by; one of them is 1 if both are one number."""
        width, span = (
            b.combine(a, operator.sub) for a, b in ((self.start, self.end), (self.low, self.high))
        )
        if width.shape or span.shape:
            return span, width
        # The ratio that is above 1 is more often one that floats have: 255, and 127.5.
        factor = span.values[0] / width.values[0]
        one = Numbers((1.0,))
        return (Numbers((factor,)), one) if factor > 1 else (one, Numbers((1 / factor,)))

    def inverse(self) -> Interval:
        """See `Step`. What an environment is given keeps its bounds."""
        return Interval(self.low, self.high, self.start, self.end, not self.guarded)

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """See `Step`."""
        start, (factor, divisor) = self.start, self._ratio
        result = array if start.is_zero else array - arrays.constant(start, array)
        result = result if divisor.is_one else result / arrays.constant(divisor, array)
        result = result if factor.is_one else result * arrays.constant(factor, array)
        result = result if self.low.is_zero else result + arrays.constant(self.low, array)
        if not self.guarded:
            return result
        # What is not negative, added to `low`, is never rounded to less than that.
        end, high = (arrays.constant(n, array) for n in (self.end, self.high))
        beyond = (array == end) | ((array < end) & (result > high))
        return arrays.xp.where(beyond, high, result)


@dataclass(frozen=True)
class Standardize:
    """(x - mean) / std, or its inverse."""

    mean: Numbers
    std: Numbers
    undone: bool = False
    calculates = True

    def inverse(self) -> Standardize:
        """See `Step`."""
        return replace(self, undone=not self.undone)

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """See `Step`."""
        mean, std = (arrays.constant(n, array) for n in (self.mean, self.std))
        return array * std + mean if self.undone else (array - mean) / std


@dataclass(frozen=True)
class Factor:
    """Another unit."""

    factor: float
    calculates = True

    def inverse(self) -> Factor:
        """See `Step`."""
        return Factor(1 / self.factor)

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """See `Step`."""
        return array * self.factor


@dataclass(frozen=True)
class Reorder:
    """Elements of the last axis, picked by their places."""

    order: tuple[int, ...]
    calculates = False

    def inverse(self) -> Reorder:
        """See `Step`; only of a permutation."""
        return Reorder(tuple(self.order.index(i) for i in range(len(self.order))))

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """See `Step`."""
        return arrays.xp.concatenate([array[..., i : i + 1] for i in self.order], axis=-1)


@dataclass(frozen=True)
class Rotate:
    """Rotations in another form.

    Attributes:
        source: The form they are in.
        target: The form that is wanted.
        squares: Whether the source, and the target, has matrices of (3, 3) instead of nine numbers.
    """

    source: RotationFormat
    target: RotationFormat
    squares: tuple[bool, bool] = (False, False)

    @property
    def calculates(self) -> bool:
        """See `Step`."""
        scalars = (RotationFormat.QUATERNION_WXYZ, RotationFormat.QUATERNION_XYZW)
        return self.source is not self.target and not {self.source, self.target} <= {*scalars}

    def inverse(self) -> Rotate:
        """See `Step`."""
        return Rotate(self.target, self.source, (self.squares[1], self.squares[0]))

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """See `Step`."""
        if self.squares[0]:
            array = array.reshape((*array.shape[:-2], 9))
        array = convert_rotation(array, self.source, self.target, arrays.xp)
        return array.reshape((*array.shape[:-1], 3, 3)) if self.squares[1] else array


@dataclass(frozen=True)
class Image:
    """Axes and channels of an image in another order; by way of height, width, channels."""

    layouts: tuple[ImageLayout, ImageLayout]
    colors: tuple[ColorSpace, ColorSpace]

    @property
    def calculates(self) -> bool:
        """See `Step`."""
        return self.colors[1] is ColorSpace.GRAY and self.colors[0] in _LUMINANCE

    def inverse(self) -> Image:
        """See `Step`. Of gray it makes the color whose luminance it is."""
        (a, b), (c, d) = self.layouts, self.colors
        return Image((b, a), (d, c))

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """See `Step`."""
        xp = arrays.xp
        if self.colors[0] is self.colors[1] and self.layouts[0] is self.layouts[1]:
            return array
        if self.layouts[0] is ImageLayout.CHW:
            array = xp.moveaxis(array, -3, -1)
        elif self.layouts[0] is ImageLayout.HW:
            array = array[..., None]
        array = self._colored(array, xp)
        if self.layouts[1] is ImageLayout.CHW:
            return xp.moveaxis(array, -1, -3)
        return array[..., 0] if self.layouts[1] is ImageLayout.HW else array

    def _colored(self, array: Any, xp: Any) -> Any:
        source, target = self.colors
        if source is target:
            return array
        if target is ColorSpace.GRAY:
            weights = _LUMINANCE[source]
            return sum(array[..., i : i + 1] * w for i, w in enumerate(weights))
        if source is ColorSpace.GRAY:
            return xp.concatenate([array, array, array], axis=-1)
        return xp.flip(array, (-1,))


@dataclass(frozen=True)
class Chain:
    """Conversions in order, between two element types.

    Attributes:
        path: The input or leaf that the numbers are for, in messages.
        steps: The conversions.
        work: Type to calculate in; None: nothing is calculated.
        rounds: Whether the results are rounded to whole numbers.
        target: Type of the result; None: as it comes.
    """

    path: str
    steps: tuple[Step, ...]
    work: DType | None
    rounds: bool
    target: DType | None

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """The array, converted; rounding is to the nearest, ties to even.

        Raises:
            InvalidValueError: If a number is not one of the target's type.
        """
        if self.work is not None:
            array = arrays.cast(array, self.work)
        for step in self.steps:
            array = step(array, arrays)
        array = arrays.own(arrays.xp.round(array) if self.rounds else array)
        return array if self.target is None else arrays.exact(array, self.target, self.path)
