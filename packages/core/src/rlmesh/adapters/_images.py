"""`Resize`: an image cropped, resized and padded, by the libraries or on the arrays' device."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rlmesh.adapters._arrays import FLOAT32, Arrays, Numbers
from rlmesh.adapters._resampling import nearest_pixels, weights
from rlmesh.adapters._transforms import ImageFit, ImageTransform, Resampler

__all__ = ["MAX_WEIGHTS", "Resize", "resize_of"]

MAX_WEIGHTS = 2**23
"""Largest number of weights of one axis, each a Python float."""

Sides = tuple[int, int]


@dataclass(frozen=True)
class Resize:
    """A change of height and width of an image of (..., height, width, channels).

    Attributes:
        crop: Top, left, height and width of the part that is used.
        inner: Height and width that the part is resized to.
        size: Height and width of the result, with the resized part in the middle.
        resampler: The calculation of pixels.
        fill: Color of the rest, one number or one a channel.
        given: Height and width of the whole image.
    """

    crop: tuple[int, int, int, int]
    inner: Sides
    size: Sides
    resampler: Resampler
    fill: tuple[float, ...]
    given: Sides
    calculates = False
    _cache: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def inverse(self) -> Resize:
        """Return the step itself: pixels that are lost cannot be restored."""
        return self

    @property
    def weighs(self) -> int:
        """Largest number of weights of an axis, where no library resizes; 0: there are none."""
        if self.resampler is Resampler.NEAREST or self.crop[2:] == self.inner:
            return 0
        return max(a * b for a, b in zip(self.crop[2:], self.inner))

    @property
    def grows(self) -> bool:
        """Whether the image becomes higher or wider than the part that is used."""
        return self.inner[0] > self.crop[2] or self.inner[1] > self.crop[3]

    def __call__(self, array: Any, arrays: Arrays) -> Any:
        """Return the changed image, in the same dtype.

        Raises:
            ImportError: If the resampler's library is needed, which it is in the memory of the CPU,
                and is not installed.
        """
        top, left, height, width = self.crop
        if (height, width) != tuple(array.shape[-3:-1]):
            array = array[..., top : top + height, left : left + width, :]
        if (height, width) != self.inner:
            array = self._resized(array, arrays)
        return array if self.inner == self.size else self._padded(array, arrays)

    def _resized(self, array: Any, arrays: Arrays) -> Any:
        if self.resampler is Resampler.NEAREST:
            rows, columns = (arrays.xp.asarray(side) for side in self._nearest)
            if self.inner[1] < self.crop[3]:  # What is in between must not be larger than both.
                return array[..., columns, :][..., rows, :, :]
            return array[..., rows, :, :][..., columns, :]
        if arrays.is_on_host(array):
            made = self._by_library(arrays.to_numpy(array))
            return arrays.from_numpy(made, array)
        return self._by_weights(array, arrays)

    @cached_property
    def _nearest(self) -> tuple[list[int], list[int]]:
        return (
            nearest_pixels(self.crop[2], self.inner[0]),
            nearest_pixels(self.crop[3], self.inner[1]),
        )

    def _by_library(self, array: Any) -> Any:
        """Return the resized NumPy image, or images."""
        from rlmesh.adapters._image_libraries import resized, resized_each

        if len(array.shape) == 3:
            return resized(array, self.inner, self.resampler)
        return resized_each(array, self.inner, self.resampler)

    @cached_property
    def _matrices(self) -> tuple[Numbers, Numbers]:
        """The weights of columns and of rows."""
        shrinks = not self.grows
        return tuple(  # type: ignore[return-value]
            Numbers(tuple(w for row in matrix for w in row), (target, source))
            for source, target in ((self.crop[3], self.inner[1]), (self.crop[2], self.inner[0]))
            for matrix in [weights(self.resampler, source, target, shrinks=shrinks)]
        )

    def _by_weights(self, array: Any, arrays: Arrays) -> Any:
        """Return the image by products of matrices, one axis after the other.

        The first axis is that of the width, unless only the height shrinks, as in Pillow, which
        rounds to whole numbers in between.
        """
        own = arrays.element(array, "image")
        work = own if own.is_float and own.itemsize >= 4 else FLOAT32
        xp = arrays.xp
        across, down = self._matrices
        result = xp.moveaxis(arrays.cast(array, work), -1, -3)
        lower = self.inner[0] < self.crop[2] and self.inner[1] > self.crop[3]
        between = not own.is_float and self.resampler.name.startswith("PILLOW")
        for is_down in (lower, not lower):
            if is_down:
                result = arrays.constant(down, result) @ result
            else:
                result = result @ xp.moveaxis(arrays.constant(across, result), 0, 1)
            if between or (is_down is not lower and not own.is_float):
                result = _whole(result, own.limits, xp)
        return arrays.cast(xp.moveaxis(result, -3, -1), own)

    def _padded(self, array: Any, arrays: Arrays) -> Any:
        xp = arrays.xp
        fill = self._filled(array, arrays)
        for axis, have, want in (
            (-3, self.inner[0], self.size[0]),
            (-2, self.inner[1], self.size[1]),
        ):
            before = (want - have) // 2
            parts = [array]
            for count, where in ((before, 0), (want - have - before, 1)):
                if count:
                    shape = list(array.shape)
                    shape[axis] = count
                    parts.insert(where * len(parts), xp.broadcast_to(fill, tuple(shape)))
            array = xp.concatenate(parts, axis=axis) if len(parts) > 1 else array
        return array

    def _filled(self, array: Any, arrays: Arrays) -> Any:
        """Return the color that fills the rest, as an array of the image's dtype and device."""
        whole = not arrays.element(array, "image").is_float
        numbers = tuple(map(int, self.fill)) if whole else self.fill
        return arrays.constant(Numbers(numbers, (len(numbers),)), array)


def _whole(array: Any, limits: tuple[int, int], xp: Any) -> Any:
    """Return the nearest whole numbers within limits, halves upwards as Pillow and OpenCV do."""
    array = xp.floor(array + 0.5)
    low, high = map(float, limits)
    return xp.where(array < low, low, xp.where(array > high, high, array))


def resize_of(transform: ImageTransform, height: int, width: int) -> Resize | None:
    """Return the change of size of an image, or None if its size does not change.

    Args:
        transform: The change that a model declares.
        height: Height of the image.
        width: Width of the image.
    """
    share = math.sqrt(transform.crop_area)
    kept = (max(round(height * share), 1), max(round(width * share), 1))
    size = transform.size or kept
    top, left = (height - kept[0]) // 2, (width - kept[1]) // 2
    if transform.fit is ImageFit.CROP:
        whole, kept = kept, _largest_within(kept, size)
        top, left = top + (whole[0] - kept[0]) // 2, left + (whole[1] - kept[1]) // 2
    inner = size if transform.fit is not ImageFit.PAD else _largest_within(size, kept)
    if (height, width) == kept == inner == size:
        return None
    fill = transform.fill or (0.0,)
    return Resize((top, left, *kept), inner, size, transform.resampler, fill, (height, width))


def _largest_within(whole: Sides, ratio: Sequence[int]) -> Sides:
    """Return the largest height and width within `whole` of a ratio, rounded down."""
    height, width = whole
    if height * ratio[1] > width * ratio[0]:
        return max(width * ratio[0] // ratio[1], 1), width
    return height, max(height * ratio[1] // ratio[0], 1)
