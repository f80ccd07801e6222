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
from rlmesh.adapters._rotations import Form, convert_rotation
from rlmesh.adapters._tags import RotationFormat

__all__ = [
    "Affine",
    "Clip",
    "Ends",
    "Factor",
    "Interval",
    "Pad",
    "Reorder",
    "Reshape",
    "Rotate",
    "Shortest",
    "Snap",
    "Standardize",
    "Step",
]


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
class Ends:
    """A linear map between the two ends of a gripper's way, with each end exact.

    Attributes:
        source: The numbers of the two ends, closed and open.
        target: The numbers that they become.
    """

    source: tuple[float, float]
    target: tuple[float, float]
    calculates = True

    def inverse(self) -> Ends:
        """Return the map that undoes this one."""
        return Ends(self.target, self.source)

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the mapped array."""
        (a, b), (c, d), where = self.source, self.target, arrays.xp.where
        result = (array - a) * ((d - c) / (b - a)) + c
        return where(array == a, c, where(array == b, d, result))


@dataclass(frozen=True)
class Affine:
    """A factor and a number that is added afterwards; for outputs."""

    scale: float
    shift: float
    calculates = True

    def inverse(self) -> Affine:
        """Return the map that undoes this one."""
        return Affine(1 / self.scale, -self.shift / self.scale)

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the array, scaled and shifted."""
        return array * self.scale + self.shift


@dataclass(frozen=True)
class Clip:
    """A limit of numbers to the interval from `low` to `high`; NaN stays NaN. It has no inverse."""

    low: Numbers
    high: Numbers
    calculates = True

    def inverse(self) -> Clip:
        """Return the limit itself."""
        return self

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the limited array."""
        low, high = (arrays.constant(n, array) for n in (self.low, self.high))
        where = arrays.xp.where
        return where(array < low, low, where(array > high, high, array))


@dataclass(frozen=True)
class Snap:
    """A choice of two numbers: `high` for numbers of at least `threshold`, else `low`."""

    threshold: float
    low: float
    high: float
    calculates = True

    def inverse(self) -> Snap:
        """Return the choice itself."""
        return self

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the chosen numbers, as an array of the same dtype; NaN stays NaN."""
        xp, zero = arrays.xp, arrays.xp.zeros_like(array)
        chosen = xp.where(array >= self.threshold, zero + self.high, zero + self.low)
        return xp.where(array == array, chosen, array)


@dataclass(frozen=True)
class Rotate:
    """A conversion of rotations to another form.

    Attributes:
        source: The form to convert from.
        target: The form to convert to.
        squares: Whether the source and the target have matrices of (3, 3) instead of nine numbers.
    """

    source: Form
    target: Form
    squares: tuple[bool, bool] = (False, False)

    @property
    def calculates(self) -> bool:
        """Whether the numbers change; the two orders of a quaternion have the same numbers."""
        return not self.source.moves_only(self.target)

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
class Pad:
    """A vector with constant numbers after its own; for inputs.

    Attributes:
        count: Number of elements that are added.
        value: The number that they have.
    """

    count: int
    value: Numbers
    calculates = True

    def inverse(self) -> Pad:
        """Return the step itself, which no output has."""
        return self

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the longer vector."""
        xp = arrays.xp
        rest = xp.zeros_like(array[..., :1]) + arrays.constant(self.value, array)
        rest = xp.broadcast_to(rest, (*array.shape[:-1], self.count))
        return xp.concatenate([array, rest], axis=-1)


@dataclass(frozen=True)
class Reshape:
    """Other extents for the last axis; for inputs.

    Attributes:
        shape: The extents, with the same number of elements.
    """

    shape: tuple[int, ...]
    calculates = False

    def inverse(self) -> Reshape:
        """Return the step itself, which no output has."""
        return self

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the array with these extents instead of its last axis."""
        return array.reshape((*array.shape[:-1], *self.shape))


@dataclass(frozen=True)
class Shortest:
    """A choice of the shortest of equal rotations: w >= 0, or an angle of at most pi."""

    form: Form
    calculates = True

    def inverse(self) -> Shortest:
        """Return the choice itself."""
        return self

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the rotations in their shortest form."""
        between = Form(RotationFormat.MATRIX)
        matrix = convert_rotation(array, self.form, between, arrays.xp)
        return convert_rotation(matrix, between, self.form, arrays.xp)
