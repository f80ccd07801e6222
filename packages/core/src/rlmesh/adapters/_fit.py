"""Finds the conversions from an environment's feature to a model's, and back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from rlmesh._problem import Problem
from rlmesh.adapters._arrays import LARGEST, Arrays, Numbers
from rlmesh.adapters._problems import shortened
from rlmesh.adapters._rotations import LENGTHS
from rlmesh.adapters._slots import LeafSlot, is_interval
from rlmesh.adapters._spec import MeanStd, ModelInput, ModelOutput
from rlmesh.adapters._steps import (
    Chain,
    Factor,
    Image,
    Interval,
    Reorder,
    Rotate,
    Standardize,
    Step,
)
from rlmesh.adapters._tags import ColorSpace, FeatureKind, ImageLayout, RotationFormat
from rlmesh.adapters._units import unit_factor

__all__ = ["CHANNEL_AXES", "Fit", "standardized"]

CHANNEL_AXES: dict[ImageLayout | None, int] = {ImageLayout.HWC: -1, ImageLayout.CHW: -3}
"""Axis of the channels, counted from the end, for the layouts that have one."""

_CHANNELS = {ColorSpace.RGB: 3, ColorSpace.BGR: 3, ColorSpace.GRAY: 1, ColorSpace.DEPTH: 1}
_IN_ENV = "convert it in a wrapper of the environment, or in the model with DELEGATED"
T = TypeVar("T")


@dataclass
class Fit:
    """The conversion of one feature of an environment to that of a model.

    Attributes:
        slot: The feature of the environment.
        port: The input or output of the model.
        path: Path of the input or output in the spec.
        problems: List to which reasons why the two do not fit are appended.
        steps: The conversions from the environment to the model.
        shape: Extents of the feature on the model's side, without batch axes and history.
        channel_axis: Axis of the channels of a model's image, counted from the end; 0: none.
    """

    slot: LeafSlot
    port: ModelInput | ModelOutput
    path: str
    problems: list[Problem]
    steps: list[Step] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    channel_axis: int = 0

    def __post_init__(self) -> None:
        self.shape = self.slot.shape
        self._agree()
        self._interval()
        formats = self._formats()
        if self._is_image():
            self._image()
        elif formats is None:
            self._elements()
        else:
            self._rotation(*formats)
        self._unit()
        found = standardized(self.port, self.shape, self.channel_axis, self.path)
        if isinstance(found, Problem):
            self.problems.append(found)
        elif found is not None:
            self.steps.append(found)

    def _refuse(self, expected: str, actual: str, fix: str = _IN_ENV) -> None:
        self.problems.append(Problem(self.path, expected, f"{actual} at {self.slot.path}", fix))

    def _agree(self) -> None:
        """Refuse properties that cannot be converted and that both sides specify differently."""
        env, model = self.slot.feature, self.port.feature
        pairs = {
            "kind": (env.kind.value, model.kind.value),
            "reference": (env.reference.value, model.reference.value),
            "frame": (env.frame or "unspecified", model.frame or "unspecified"),
        }
        for name, (theirs, ours) in pairs.items():
            if theirs != ours and "unspecified" not in (theirs, ours):
                self._refuse(f"{name} {shortened(ours)}", shortened(theirs), _FIXES[name])

    def _is_image(self) -> bool:
        features = self.slot.feature, self.port.feature
        kinds = {feature.kind for feature in features} - {FeatureKind.UNSPECIFIED}
        if kinds:
            return kinds == {FeatureKind.IMAGE}
        unspecified = (ImageLayout.UNSPECIFIED, ColorSpace.UNSPECIFIED)
        return any((feature.layout, feature.color) != unspecified for feature in features)

    def _interval(self) -> None:
        """Map the intervals, unless both sides specify a unit, so that numbers are amounts."""
        env, model = self.slot.feature, self.port.feature
        if model.range is None or (env.unit and model.unit):
            return
        # Outputs for whole numbers are rounded if a range is specified, even an equal one.
        same_is_none = self.slot.dtype.is_float or isinstance(self.port, ModelInput)
        if model.range == env.range and same_is_none:
            return
        ends = self.slot.interval()
        if ends is None:
            fix = "give the environment's tag a finite range"
            self._refuse("a finite range to scale from, with low < high", "none", fix)
            return
        low, high = (Numbers((side,)) for side in model.range)
        if not is_interval(low, high):
            fix = "correct the model's spec"
            self._refuse("a finite range of the model, with low < high", f"{model.range}", fix)
            return
        if (ends[0].values, ends[1].values) == (low.values, high.values) and same_is_none:
            return
        if self._formats() is not None:
            actual = shortened((ends[0].values, ends[1].values))
            fix = "leave the range of the rotation away; scale it by a normalization"
            self._refuse("no other range for a rotation than its own", actual, fix)
            return
        self.steps.append(Interval(*ends, low, high))

    def _image(self) -> None:
        env, model = self.slot.feature, self.port.feature
        layouts = _agreed(env.layout, model.layout, ImageLayout.UNSPECIFIED)
        colors = _agreed(env.color, model.color, ColorSpace.UNSPECIFIED)
        if layouts[0] is ImageLayout.UNSPECIFIED:
            if colors[0] is not colors[1]:
                actual = "an image without a layout on either side"
                self._refuse(f"color {colors[1].value}", actual, "specify the layout in the tags")
            return
        height = self._height_width_channels(layouts[0])
        if height is None or not self._channels(height[-1], layouts, colors):
            return
        channels = height[-1] if colors[0] is colors[1] else _CHANNELS[colors[1]]
        self.shape = _laid_out((*height[:-1], channels), layouts[1])
        self.channel_axis = CHANNEL_AXES.get(layouts[1], 0)
        self.steps.append(Image(layouts, colors))

    def _height_width_channels(self, layout: ImageLayout) -> tuple[int, ...] | None:
        shape = self.shape
        needed = 2 if layout is ImageLayout.HW else 3
        if len(shape) < needed:
            self._refuse(f"an image of layout {layout.value}", f"shape {shape}", _FIXES["layout"])
            return None
        if layout is ImageLayout.HW:
            return (*shape, 1)
        return shape if layout is ImageLayout.HWC else (*shape[:-3], *shape[-2:], shape[-3])

    def _channels(
        self,
        count: int,
        layouts: tuple[ImageLayout, ImageLayout],
        colors: tuple[ColorSpace, ColorSpace],
    ) -> bool:
        """Return whether the image has the channels of its color, and can have the model's."""
        before = len(self.problems)
        needed = _CHANNELS.get(colors[0], count)
        after = count if colors[0] is colors[1] else _CHANNELS[colors[1]]
        if needed != count:
            expected = f"{needed} channels for color {colors[0].value}"
            self._refuse(expected, f"{count} channels", _FIXES["color"])
        elif ColorSpace.DEPTH in colors and colors[0] is not colors[1]:
            self._refuse(f"color {colors[1].value}", colors[0].value)
        elif after != 1 and layouts[1] is ImageLayout.HW:
            fix = "specify color GRAY, or a layout with channels"
            self._refuse("one channel for layout hw", f"{after} channels", fix)
        return len(self.problems) == before

    def _formats(self) -> tuple[RotationFormat, RotationFormat] | None:
        """Return the forms of a rotation on both sides, or None if it is not a rotation."""
        env, model = self.slot.feature.rotation, self.port.feature.rotation
        formats = _agreed(env, model, RotationFormat.UNSPECIFIED)
        return None if formats[0] is RotationFormat.UNSPECIFIED else formats

    def _rotation(self, source: RotationFormat, target: RotationFormat) -> None:
        for unit in {self.slot.feature.unit, self.port.feature.unit} - {"", "rad", "1"}:
            self._refuse(
                "no unit for a rotation: its angles are in rad", shortened(unit), _FIXES["unit"]
            )
        square = source is RotationFormat.MATRIX and self.shape[-2:] == (3, 3)
        if not square and self.shape[-1:] != (LENGTHS[source],):
            expected = f"{LENGTHS[source]} numbers along the last axis for {source.value}"
            self._refuse(expected, f"shape {self.shape}", _FIXES["rotation"])
            return
        before = self.shape[:-2] if square else self.shape[:-1]
        wanted = self.port.shape
        square_after = target is RotationFormat.MATRIX and (
            square if wanted is None else wanted[-2:] == (3, 3)
        )
        if source is not target or square != square_after:
            self.steps.append(Rotate(source, target, (square, square_after)))
        self.shape = (*before, 3, 3) if square_after else (*before, LENGTHS[target])

    def _elements(self) -> None:
        theirs, ours = self.slot.feature.element_names, self.port.feature.element_names
        if not theirs or not ours or theirs == ours:
            if ours and ours != theirs and self.shape[-1:] != (len(ours),):
                self._refuse(f"{len(ours)} elements", f"shape {self.shape}", _FIXES["names"])
            return
        if len(set(theirs)) < len(theirs) or len(set(ours)) < len(ours):
            self._refuse("distinct element names", shortened((theirs, ours)), _FIXES["names"])
            return
        missing = [name for name in ours if name not in theirs]
        spare = [name for name in theirs if name not in ours]
        # An input may use some of the elements. An action needs every element, and each element of
        # an output needs a place to go.
        if missing or (spare and isinstance(self.port, ModelOutput)):
            self._refuse(f"elements named {shortened(ours)}", shortened(theirs), _FIXES["names"])
            return
        self.steps.append(Reorder(tuple(theirs.index(name) for name in ours)))
        self.shape = (*self.shape[:-1], len(ours))

    def _unit(self) -> None:
        theirs, ours = self.slot.feature.unit, self.port.feature.unit
        if not theirs or not ours or theirs == ours or self._formats() is not None:
            return
        factor = unit_factor(theirs, ours)
        if factor is None:
            self._refuse(f"a unit that becomes {ours!r}", shortened(theirs), _FIXES["unit"])
        else:
            self.steps.append(Factor(factor))

    def inward(self, arrays: Arrays) -> Chain:
        """Return the chain that makes the model's input."""
        env = self.slot.dtype
        target = self.port.dtype or env
        calculated = any(step.calculates for step in self.steps)
        if not target.is_float:
            self._whole(env.is_float, calculated)
        work = arrays.working(env, target) if calculated else None
        rounds = calculated and not target.is_float
        return Chain(self.path, tuple(self.steps), work, rounds, target)

    def _whole(self, from_floats: bool, calculated: bool) -> None:
        """Refuse whole numbers for calculated ones, except shades and numbers scaled to a range."""
        has_dtype = self.port.dtype is not None
        rounds = (Image, Interval) if has_dtype and not self.port.normalization else (Image,)
        if any(step.calculates and not isinstance(step, rounds) for step in self.steps):
            fix = "give the input a float dtype, such as float32"
            self._refuse("a float dtype for numbers that are calculated", "whole numbers", fix)
        elif from_floats and not calculated:
            fix = "give both sides a range to scale between, or the input a float dtype"
            self._refuse(f"numbers of {self.port.dtype}", f"{self.slot.dtype}", fix)

    def outward(self, arrays: Arrays) -> Chain:
        """Return the chain that makes a part of the environment's action."""
        env = self.slot.dtype
        steps = tuple(step.inverse() for step in reversed(self.steps))
        calculated = any(step.calculates for step in steps)
        work = arrays.working(env, self.port.dtype) if calculated else None
        # JAX may lack the type; the wire uses the type of the space in any case.
        target = env if arrays.lack(env) is None else None
        return Chain(self.slot.path, steps, work, calculated and not env.is_float, target)

    def check_shape(self) -> None:
        """Refuse a shape other than the one that the spec specifies."""
        wanted = self.port.shape
        if wanted is None or tuple(wanted) == self.whole_shape:
            return
        fix = "correct the spec's shape"
        if self._is_image():
            fix = "images are not resized; use an image wrapper of the environment"
        elif self.history:
            fix += ": its first axis is that of the history"
        self._refuse(f"shape {tuple(wanted)}", f"{self.whole_shape}", fix)

    @property
    def history(self) -> int:
        """Number of observations that are stacked; 0: none."""
        return (
            self.port.history if isinstance(self.port, ModelInput) and self.port.history > 1 else 0
        )

    @property
    def whole_shape(self) -> tuple[int, ...]:
        """Extents as the spec counts them: with the axis of the history."""
        return (self.history, *self.shape) if self.history else self.shape


def _agreed(env: T, model: T, unspecified: T) -> tuple[T, T]:
    """Return the values of both sides; a side that leaves it unspecified gets the other's."""
    return (model if env == unspecified else env), (env if model == unspecified else model)


_FIXES = {
    "kind": "use the same kind on both sides, or another role",
    "reference": "converting between differences and values needs a state; " + _IN_ENV,
    "frame": "use the same frame on both sides; " + _IN_ENV,
    "layout": "correct the layout on one of the sides",
    "color": "correct the color on one of the sides",
    "rotation": "tag just the numbers of the rotation, by offset and length",
    "names": "use the same element names on both sides",
    "unit": "use units that differ by a known factor; " + _IN_ENV,
}


def _laid_out(extents: tuple[int, ...], layout: ImageLayout) -> tuple[int, ...]:
    *before, height, width, channels = extents
    if layout is ImageLayout.HW:
        return (*before, height, width)
    tail = (height, width, channels) if layout is ImageLayout.HWC else (channels, height, width)
    return (*before, *tail)


def standardized(
    port: ModelInput | ModelOutput, shape: tuple[int, ...] | None, channel_axis: int, path: str
) -> Step | Problem | None:
    """Return the step that normalizes, from the environment to the model, or a problem.

    Args:
        port: The input or output.
        shape: Extents of the feature; None: not known.
        channel_axis: Axis of an image's channels, counted from the end; 0: there are no channels.
        path: Path of the input or output in the spec.
    """
    statistics = port.normalization
    if statistics is None:
        return None
    is_mean_std = isinstance(statistics, MeanStd)
    sides = (
        (statistics.mean, statistics.std)
        if isinstance(statistics, MeanStd)
        else (statistics.low, statistics.high)
    )
    axis = channel_axis or -1
    extent = shape[axis] if shape is not None and len(shape) >= -axis else 1
    count = max(map(len, sides))
    if count not in (1, extent):
        what = "channel of the image" if channel_axis else "element of the last axis"
        expected = f"statistics of one number, or of one a {what}, {extent}"
        expected = "a shape, for statistics of one number an element" if shape is None else expected
        return Problem(path, expected, f"{count} of them", "correct the model's spec")
    extents = (extent, *(1 for _ in range(-1 - axis)))
    first, second = (
        Numbers(tuple(map(float, side)), () if len(side) == 1 else extents) for side in sides
    )
    if is_mean_std:
        if all(abs(x) < LARGEST for x in (*first.values, *second.values)):
            return Standardize(first, second)
    elif is_interval(first, second):
        return Interval(first, second, Numbers((-1.0,)), Numbers((1.0,)))
    return Problem(
        path, "finite statistics that float32 holds", "others", "correct the model's spec"
    )
