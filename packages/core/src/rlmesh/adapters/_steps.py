"""Conversions of arrays, each with its inverse.

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
"""Weights of red, green and blue: ITU-R BT.601, as in OpenCV and Pillow."""


class Step(Protocol):
    """One conversion."""

    @property
    def calculates(self) -> bool:
        """Whether the numbers change; if False, they only move."""
        ...

    def inverse(self) -> Step:
        """Return the conversion that undoes this one."""
        ...

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the converted array."""
        ...


@dataclass(frozen=True)
class Interval:
    """A linear map from [start, end] to [low, high].

    Attributes:
        start: The number that becomes `low`.
        end: The number that becomes `high`.
        low: Result for `start`.
        high: Result for `end`.
        guarded: Whether `end` becomes exactly `high`, and rounding keeps every number within
            [low, high] that was within [start, end].
    """

    start: Numbers
    end: Numbers
    low: Numbers
    high: Numbers
    guarded: bool = False
    calculates = True

    @cached_property
    def _ratio(self) -> tuple[Numbers, Numbers]:
        """Multiplier and divisor; one of them is 1 if both intervals are single numbers."""
        width, span = (
            b.combine(a, operator.sub) for a, b in ((self.start, self.end), (self.low, self.high))
        )
        if width.shape or span.shape:
            return span, width
        # A ratio above 1 is more often exact in floats: 255, and 127.5.
        factor = span.values[0] / width.values[0]
        one = Numbers((1.0,))
        return (Numbers((factor,)), one) if factor > 1 else (one, Numbers((1 / factor,)))

    def inverse(self) -> Interval:
        """Return the inverse map; the one towards the environment keeps its bounds exactly."""
        return Interval(self.low, self.high, self.start, self.end, not self.guarded)

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the mapped array."""
        start, (factor, divisor) = self.start, self._ratio
        result = array if start.is_zero else array - arrays.constant(start, array)
        result = result if divisor.is_one else result / arrays.constant(divisor, array)
        result = result if factor.is_one else result * arrays.constant(factor, array)
        result = result if self.low.is_zero else result + arrays.constant(self.low, array)
        if not self.guarded:
            return result
        # A non-negative number added to `low` is never rounded to less than `low`, so that only the
        # upper end needs a guard.
        end, high = (arrays.constant(n, array) for n in (self.end, self.high))
        beyond = (array == end) | ((array < end) & (result > high))
        return arrays.xp.where(beyond, high, result)


@dataclass(frozen=True)
class Standardize:
    """The map (x - mean) / std, or its inverse."""

    mean: Numbers
    std: Numbers
    undone: bool = False
    calculates = True

    def inverse(self) -> Standardize:
        """Return the map that undoes this one."""
        return replace(self, undone=not self.undone)

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the array, standardized or restored."""
        mean, std = (arrays.constant(n, array) for n in (self.mean, self.std))
        return array * std + mean if self.undone else (array - mean) / std


@dataclass(frozen=True)
class Factor:
    """A change of unit by a factor."""

    factor: float
    calculates = True

    def inverse(self) -> Factor:
        """Return the change back."""
        return Factor(1 / self.factor)

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the array in the other unit."""
        return array * self.factor


@dataclass(frozen=True)
class Reorder:
    """A selection of elements of the last axis, by their positions."""

    order: tuple[int, ...]
    calculates = False

    def inverse(self) -> Reorder:
        """Return the inverse, which exists only for a permutation."""
        return Reorder(tuple(self.order.index(i) for i in range(len(self.order))))

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the selected elements."""
        return arrays.xp.concatenate([array[..., i : i + 1] for i in self.order], axis=-1)


@dataclass(frozen=True)
class Rotate:
    """A conversion of rotations to another form.

    Attributes:
        source: The form to convert from.
        target: The form to convert to.
        squares: Whether the source and the target have matrices of (3, 3) instead of nine numbers.
    """

    source: RotationFormat
    target: RotationFormat
    squares: tuple[bool, bool] = (False, False)

    @property
    def calculates(self) -> bool:
        """Whether the numbers change; the two orders of a quaternion have the same numbers."""
        scalars = (RotationFormat.QUATERNION_WXYZ, RotationFormat.QUATERNION_XYZW)
        return self.source is not self.target and not {self.source, self.target} <= {*scalars}

    def inverse(self) -> Rotate:
        """Return the conversion back."""
        return Rotate(self.target, self.source, (self.squares[1], self.squares[0]))

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the rotations in the other form."""
        if self.squares[0]:
            array = array.reshape((*array.shape[:-2], 9))
        array = convert_rotation(array, self.source, self.target, arrays.xp)
        return array.reshape((*array.shape[:-1], 3, 3)) if self.squares[1] else array


@dataclass(frozen=True)
class Image:
    """A change of an image's axes and channels, by way of height, width, channels."""

    layouts: tuple[ImageLayout, ImageLayout]
    colors: tuple[ColorSpace, ColorSpace]

    @property
    def calculates(self) -> bool:
        """Whether the numbers change, which they do only if colors become gray."""
        return self.colors[1] is ColorSpace.GRAY and self.colors[0] in _LUMINANCE

    def inverse(self) -> Image:
        """Return the conversion back; gray becomes the color of equal channels."""
        (a, b), (c, d) = self.layouts, self.colors
        return Image((b, a), (d, c))

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the image in the other layout and color."""
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
    """A series of conversions between two element types.

    Attributes:
        path: The input or leaf that the numbers belong to, for messages.
        steps: The conversions, in order.
        work: Type to calculate in; None: nothing is calculated.
        rounds: Whether the results are rounded to whole numbers.
        target: Type of the result; None: the type that the steps leave.
    """

    path: str
    steps: tuple[Step, ...]
    work: DType | None
    rounds: bool
    target: DType | None

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the converted array; rounding is to the nearest, ties to even.

        Raises:
            InvalidValueError: If the target's type cannot hold a number.
        """
        if self.work is not None:
            array = arrays.cast(array, self.work)
        for step in self.steps:
            array = step(array, arrays)
        array = arrays.own(arrays.xp.round(array) if self.rounds else array)
        return array if self.target is None else arrays.exact(array, self.target, self.path)
