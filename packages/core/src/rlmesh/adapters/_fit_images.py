"""The conversion of an image of an environment to that of a model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from rlmesh.adapters._agreed import agreed
from rlmesh.adapters._arrays import holds
from rlmesh.adapters._image_steps import Image, InSourceType, Jpeg, turn_between
from rlmesh.adapters._images import resize_of
from rlmesh.adapters._steps import Step
from rlmesh.adapters._tags import ColorSpace, ImageForm, ImageLayout, Orientation
from rlmesh.adapters._transforms import ImageTransform
from rlmesh.dtypes import DType
from rlmesh.spaces._base import MAX_LEAF_BYTES

__all__ = ["CHANNEL_AXES", "FittedImage", "fit_image"]

CHANNEL_AXES: dict[ImageLayout | None, int] = {ImageLayout.HWC: -1, ImageLayout.CHW: -3}
"""Axis of the channels, counted from the end, for the layouts that have one."""

_CHANNELS = {
    ColorSpace.RGB: 3,
    ColorSpace.BGR: 3,
    ColorSpace.GRAY: 1,
    ColorSpace.DEPTH: 1,
    ColorSpace.RGBA: 4,
}
MAX_JPEG_SIDE = 65_500
"""Largest height and width of a JPEG, in pixels, as of libjpeg."""

_LAYOUT = "correct the layout on one of the sides"
_SPEC = "correct the model's spec"
_COLOR = "correct the color on one of the sides"
Refuse = Callable[..., None]


@dataclass(frozen=True)
class FittedImage:
    """The conversion of an image.

    Attributes:
        before: Conversions in the type of the environment: turns and changes of size.
        steps: Conversions in the type that is calculated in.
        shape: Extents of the model's image.
        channel_axis: Axis of its channels, counted from the end; 0: none.
    """

    before: tuple[Step, ...]
    steps: tuple[Step, ...]
    shape: tuple[int, ...]
    channel_axis: int


def fit_image(
    env: ImageForm,
    model: ImageForm,
    shape: tuple[int, ...],
    dtype: DType,
    transforms: tuple[ImageTransform, ...],
    refuse: Refuse,
    *,
    is_output: bool = False,
) -> FittedImage | None:
    """Return the conversion of an image; None if a problem was reported, or there is no layout.

    Args:
        env: Form of the environment's image.
        model: Form of the model's image.
        shape: Extents of the environment's image.
        dtype: Element type of the environment's image.
        transforms: Changes that the model declares.
        refuse: Called with what was expected, what there is, and perhaps a fix, for each problem.
        is_output: Whether the model makes the image.
    """
    layouts = agreed(env.layout, model.layout, ImageLayout.UNSPECIFIED)
    colors = agreed(env.color, model.color, ColorSpace.UNSPECIFIED)
    turned = env.orientation != model.orientation
    if layouts[0] is ImageLayout.UNSPECIFIED:
        if colors[0] is not colors[1] or transforms or turned:
            wanted = "changes of the image" if transforms or turned else f"color {colors[1].value}"
            actual = "an image without a layout on either side"
            refuse(wanted, actual, "specify the layout in the tags")
        return None
    sides = _height_width_channels(shape, layouts[0], refuse)
    made = colors[0] if is_output else colors[1]
    if sides is None or not _channels_fit(sides[-1], layouts, colors, made, refuse):
        return None
    if transforms and 0 in sides:
        refuse("an image with pixels to change", f"shape {shape}", "correct the space")
        return None
    channels = sides[-1] if colors[0] is colors[1] else _CHANNELS[colors[1]]
    if not (transforms or turned):
        whole = _laid_out((*sides[:-1], channels), layouts[1])
        return FittedImage((), (Image(layouts, colors),), whole, CHANNEL_AXES.get(layouts[1], 0))
    first = Image((layouts[0], ImageLayout.HWC), colors)
    stacked = (*sides[:-1], channels)
    height, width, changes = _changes(
        env.orientation, model.orientation, stacked, dtype, transforms, refuse
    )
    last = Image((ImageLayout.HWC, layouts[1]), (colors[1], colors[1]))
    whole = _laid_out((*sides[:-3], height, width, channels), layouts[1])
    axis = CHANNEL_AXES.get(layouts[1], 0)
    return FittedImage((InSourceType(first), *changes), (last,), whole, axis)


def _changes(
    source: Orientation,
    target: Orientation,
    sides: tuple[int, ...],
    dtype: DType,
    transforms: tuple[ImageTransform, ...],
    refuse: Refuse,
) -> tuple[int, int, list[Step]]:
    """Return height and width after the changes of a model, and the steps."""
    *stack, height, width, channels = sides
    steps: list[Step] = []
    # An image is changed upright, so that a crop or a fill is where the model's author sees it.
    upright, turned = turn_between(source, Orientation()), turn_between(Orientation(), target)
    if upright is not None:
        steps.append(upright)
        if upright.quarter_turns % 2:
            height, width = width, height
    for one in transforms:
        if one.jpeg_quality:
            if dtype.name != "uint8" or channels not in (1, 3):
                actual = f"{channels} channels of {dtype}"
                refuse("one or three channels of uint8 for a JPEG", actual, "leave the JPEG out")
            if max(height, width) > MAX_JPEG_SIDE:
                expected = f"at most {MAX_JPEG_SIDE} pixels a side for a JPEG"
                refuse(expected, f"{height}x{width}", "leave the JPEG out")
            steps.append(Jpeg(one.jpeg_quality))
        if len(one.fill) not in (0, 1, channels):
            actual = f"{len(one.fill)} numbers"
            refuse(f"a fill of one number or of {channels}", actual, _SPEC)
        if not all(holds(dtype, number) for number in one.fill):
            refuse(f"a fill of numbers of {dtype}", f"{one.fill}", _SPEC)
        resize = resize_of(one, height, width)
        if resize is None:
            continue
        if resize.grows and not one.upscale:
            actual = f"{resize.inner} from {resize.crop[2:]}"
            fix = "render larger images, or allow upscale"
            refuse("an image that is not made larger", actual, fix)
        size = math.prod((*stack, *resize.size, channels)) * dtype.itemsize
        if size > MAX_LEAF_BYTES and math.prod(resize.size) > height * width:
            refuse(f"an image of at most {MAX_LEAF_BYTES} bytes", str(size), _SPEC)
        steps.append(resize)
        height, width = resize.size
    if turned is not None:
        steps.append(turned)
        if turned.quarter_turns % 2:
            height, width = width, height
    return height, width, steps


def _height_width_channels(
    shape: tuple[int, ...], layout: ImageLayout, refuse: Refuse
) -> tuple[int, ...] | None:
    needed = 2 if layout is ImageLayout.HW else 3
    if len(shape) < needed:
        refuse(f"an image of layout {layout.value}", f"shape {shape}", _LAYOUT)
        return None
    if layout is ImageLayout.HW:
        return (*shape, 1)
    return shape if layout is ImageLayout.HWC else (*shape[:-3], *shape[-2:], shape[-3])


def _channels_fit(
    count: int,
    layouts: tuple[ImageLayout, ImageLayout],
    colors: tuple[ColorSpace, ColorSpace],
    made: ColorSpace,
    refuse: Refuse,
) -> bool:
    """Return whether the image has the channels of its color, and can have the model's."""
    needed = _CHANNELS.get(colors[0], count)
    after = count if colors[0] is colors[1] else _CHANNELS[colors[1]]
    if needed != count:
        expected = f"{needed} channels for color {colors[0].value}"
        refuse(expected, f"{count} channels", _COLOR)
    elif colors[0] is not colors[1] and (ColorSpace.DEPTH in colors or made is ColorSpace.RGBA):
        refuse(f"color {colors[1].value}", colors[0].value)
    elif after != 1 and layouts[1] is ImageLayout.HW:
        fix = "specify color GRAY, or a layout with channels"
        refuse("one channel for layout hw", f"{after} channels", fix)
    else:
        return True
    return False


def _laid_out(extents: tuple[int, ...], layout: ImageLayout) -> tuple[int, ...]:
    *before, height, width, channels = extents
    if layout is ImageLayout.HW:
        return (*before, height, width)
    tail = (height, width, channels) if layout is ImageLayout.HWC else (channels, height, width)
    return (*before, *tail)
