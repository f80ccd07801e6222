"""Conversions of images: axes and channels, orientation, distances, and changes of size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rlmesh.adapters._arrays import FLOAT32, Arrays
from rlmesh.adapters._images import Resize
from rlmesh.adapters._tags import (
    ColorSpace,
    Depth,
    DepthEncoding,
    ImageLayout,
    Orientation,
)
from rlmesh.dtypes import DTYPES

__all__ = ["Distance", "Image", "InSourceType", "Jpeg", "Resize", "Turn", "turn_between"]

_LUMINANCE = {
    ColorSpace.RGB: (0.299, 0.587, 0.114),
    ColorSpace.RGBA: (0.299, 0.587, 0.114),
    ColorSpace.BGR: (0.114, 0.587, 0.299),
}
"""Weights of red, green and blue: ITU-R BT.601, as in OpenCV and Pillow."""


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
        array = self._colored(array, arrays)
        if self.layouts[1] is ImageLayout.CHW:
            return xp.moveaxis(array, -1, -3)
        return array[..., 0] if self.layouts[1] is ImageLayout.HW else array

    def _colored(self, array: Any, arrays: Arrays) -> Any:
        xp = arrays.xp
        source, target = self.colors
        if source is target:
            return array
        if target is ColorSpace.GRAY:
            weights = _LUMINANCE[source]
            return sum(array[..., i : i + 1] * w for i, w in enumerate(weights))
        if source is ColorSpace.GRAY:
            return xp.concatenate([array, array, array], axis=-1)
        array = array[..., :3]
        return (
            array
            if {source, target} == {ColorSpace.RGB, ColorSpace.RGBA}
            else _flipped(array, (-1,), arrays)
        )


@dataclass(frozen=True)
class InSourceType:
    """A conversion that calculates, with its results rounded to the type that the numbers have.

    Attributes:
        step: The conversion.
    """

    step: Image
    calculates = False

    def inverse(self) -> InSourceType:
        """Return the conversion back."""
        return InSourceType(self.step.inverse())

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the converted array in its own type."""
        if not self.step.calculates:
            return self.step(array, arrays)
        own = arrays.element(array, "image")
        result = self.step(arrays.cast(array, FLOAT32), arrays)
        return arrays.cast(result if own.is_float else arrays.xp.round(result), own)


@dataclass(frozen=True)
class Turn:
    """Mirroring of left and right, then quarter turns, of (..., height, width, channels).

    Attributes:
        quarter_turns: Number of turns, 0 to 3.
        mirrored: Whether the image is mirrored first.
    """

    quarter_turns: int
    mirrored: bool
    calculates = False

    def inverse(self) -> Turn:
        """Return the change that undoes this one; one with a mirroring undoes itself."""
        return self if self.mirrored else Turn(-self.quarter_turns % 4, False)

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the turned image."""
        xp = arrays.xp
        if self.mirrored:
            array = _flipped(array, (-2,), arrays)
        if self.quarter_turns == 2:
            return _flipped(array, (-3, -2), arrays)
        if self.quarter_turns % 2:
            # Rows become columns; clockwise, the last row becomes the first column.
            array = xp.moveaxis(array, -3, -2)
            return _flipped(array, (-2,) if self.quarter_turns == 1 else (-3,), arrays)
        return array


def _flipped(array: Any, axes: tuple[int, ...], arrays: Arrays) -> Any:
    own = arrays.element(array, "image")
    if arrays.is_numpy or own.kind != "u" or own.itemsize == 1:
        return arrays.xp.flip(array, axes)
    # PyTorch moves few unsigned integers; the bits are those of the signed ones.
    signed = DTYPES[own.name.removeprefix("u")]
    return arrays.cast(arrays.xp.flip(arrays.cast(array, signed), axes), own)


def turn_between(source: Orientation, target: Orientation) -> Turn | None:
    """Return the change from one orientation to another; None if they are the same.

    An image that is stored as T^a M^m, turned a times after m mirrorings, becomes T^b M^n by
    T^b M^n M^m T^-a. That is T^(b - a) if m + n is even, and T^(b + a) M otherwise, because
    M T^-a = T^a M.
    """
    if source.mirrored == target.mirrored:
        turns = (target.quarter_turns - source.quarter_turns) % 4
        return Turn(turns, False) if turns else None
    return Turn((target.quarter_turns + source.quarter_turns) % 4, True)


@dataclass(frozen=True)
class Distance:
    """A change of the way in which distances from a camera are written.

    Attributes:
        source: The distances that come in; None: amounts without limits.
        target: The distances that go out; None: amounts without limits.
        factor: The number that an incoming distance is multiplied by.
    """

    source: Depth | None
    target: Depth | None
    factor: float = 1.0
    calculates = True

    def inverse(self) -> Distance:
        """Return the change back."""
        return Distance(self.target, self.source, 1 / self.factor)

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the distances, written the other way."""
        result = array if self.source is None else self._amounts(array, self.source)
        if self.factor != 1:
            result = result * self.factor
        return result if self.target is None else self._written(result, self.target, arrays)

    def _amounts(self, array: Any, depth: Depth) -> Any:
        near, far = depth.near, depth.far
        if depth.encoding is DepthEncoding.LINEAR:
            return array * (far - near) + near
        if depth.encoding is DepthEncoding.Z_BUFFER:
            return near * far / (far - array * (far - near))
        return array

    def _written(self, array: Any, depth: Depth, arrays: Arrays) -> Any:
        near, far, where = depth.near, depth.far, arrays.xp.where
        array = where(array < near, near, where(array > far, far, array))
        if depth.encoding is DepthEncoding.LINEAR:
            return (array - near) / (far - near)
        if depth.encoding is DepthEncoding.Z_BUFFER:
            return (array - near) * (far / (far - near)) / array
        return array


@dataclass(frozen=True)
class Jpeg:
    """A picture that is written as a JPEG of some quality, and read again.

    Attributes:
        quality: The quality, 1 to 100, as of Pillow's encoder.
    """

    quality: int
    calculates = False

    def inverse(self) -> Jpeg:
        """Return the step itself: what is lost cannot be restored."""
        return self

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the image as a reader of the JPEG sees it.

        Raises:
            ImportError: If Pillow is not installed.
        """
        from rlmesh.adapters._image_libraries import jpeg_round_trip

        flat = array.reshape((-1, *array.shape[-3:]))
        rows = [
            arrays.from_numpy(jpeg_round_trip(arrays.to_numpy(row), self.quality), array)
            for row in flat
        ]
        return arrays.xp.stack(rows, axis=0).reshape(array.shape)
