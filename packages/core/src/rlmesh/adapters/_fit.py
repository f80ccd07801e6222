"""Which conversions lead from a feature of an environment to that of a model, and back."""

from __future__ import annotations

from dataclasses import dataclass, field

from rlmesh.adapters._arrays import Arrays, Numbers
from rlmesh.adapters._places import Place
from rlmesh.adapters._problems import Problem
from rlmesh.adapters._rotations import LENGTHS
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

__all__ = ["Fit", "standardized"]

_CHANNELS = {ColorSpace.RGB: 3, ColorSpace.BGR: 3, ColorSpace.GRAY: 1, ColorSpace.DEPTH: 1}
_IN_ENV = "convert it in a wrapper of the environment, or in the model with DELEGATED"
_UNSAID = (
    FeatureKind.UNSPECIFIED,
    ImageLayout.UNSPECIFIED,
    ColorSpace.UNSPECIFIED,
    RotationFormat.UNSPECIFIED,
)


@dataclass
class Fit:
    """How a feature of an environment becomes that of a model.

    Attributes:
        place: The feature of the environment.
        port: The input or output of the model.
        path: Where that stands in the spec.
        problems: Where reasons are told why it does not.
        steps: The conversions from the environment to the model.
        shape: Extents of the feature as the model has it, without batch axes and history.
        channel_axis: Axis of the channels, from the end, of an image of the model; 0: none.
    """

    place: Place
    port: ModelInput | ModelOutput
    path: str
    problems: list[Problem]
    steps: list[Step] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    channel_axis: int = 0

    def __post_init__(self) -> None:
        self.shape = self.place.shape
        self._agree()
        self._interval()
        if self._is_image():
            self._image()
        elif self._rotation():
            self._elements()
        self._unit()
        found = standardized(self.port, self.shape, self.channel_axis, self.path)
        if isinstance(found, Problem):
            self.problems.append(found)
        elif found is not None:
            self.steps.append(found)

    def _refuse(self, expected: str, actual: str, fix: str = _IN_ENV) -> None:
        self.problems.append(Problem(self.path, expected, f"{actual} at {self.place.path}", fix))

    def _agree(self) -> None:
        """What cannot be converted has to be equal where both say it."""
        env, model = self.place.feature, self.port.feature
        pairs = {
            "kind": (env.kind.value, model.kind.value),
            "reference": (env.reference.value, model.reference.value),
            "frame": (env.frame or "unspecified", model.frame or "unspecified"),
        }
        for name, (theirs, ours) in pairs.items():
            if theirs != ours and "unspecified" not in (theirs, ours):
                self._refuse(f"{name} {ours}", theirs, _FIXES[name])

    def _is_image(self) -> bool:
        features = self.place.feature, self.port.feature
        kinds = {feature.kind for feature in features} - {FeatureKind.UNSPECIFIED}
        if kinds:
            return kinds == {FeatureKind.IMAGE}
        return any(f.layout not in _UNSAID or f.color not in _UNSAID for f in features)

    def _interval(self) -> None:
        """Intervals become one another, unless both sides name a unit: then numbers are amounts."""
        env, model = self.place.feature, self.port.feature
        if model.range is None or model.range == env.range or (env.unit and model.unit):
            return
        ends = self.place.interval()
        if ends is None:
            fix = "give the environment's tag a finite range"
            self._refuse("a finite range to scale from, with low < high", "none", fix)
            return
        if model.range[0] >= model.range[1]:
            self._refuse("low < high in the model's range", f"{model.range}", "correct the spec")
            return
        low, high = (Numbers((side,)) for side in model.range)
        if (ends[0].values, ends[1].values) == (low.values, high.values):
            return
        if self._formats() != (None, None):
            actual = f"the range {ends[0].values[0]:g} to {ends[1].values[0]:g}"
            fix = "leave the range of the rotation away; scale it by a normalization"
            self._refuse("no other range for a rotation", actual, fix)
            return
        self.steps.append(Interval(*ends, low, high))

    def _image(self) -> None:
        env, model = self.place.feature, self.port.feature
        # What one side does not say is as the other side has it.
        layouts = [env.layout, model.layout]
        colors = [env.color, model.color]
        for pair in (layouts, colors):
            pair[:] = [
                pair[1 - i] if side in _UNSAID else side  # type: ignore[misc]
                for i, side in enumerate(pair)
            ]
        if layouts[0] in _UNSAID:
            if colors[0] is not colors[1]:
                actual = "an image whose layout neither side says"
                self._refuse(f"color {colors[1].value}", actual, "say the layout in the tags")
            return
        height = self._height_width_channels(layouts[0])
        if height is None or not self._channels(height[-1], layouts, colors):
            return
        channels = height[-1] if colors[0] is colors[1] else _CHANNELS[colors[1]]
        self.shape = _laid_out((*height[:-1], channels), layouts[1])
        self.channel_axis = {ImageLayout.HWC: -1, ImageLayout.CHW: -3}.get(layouts[1], 0)
        self.steps.append(Image((layouts[0], layouts[1]), (colors[0], colors[1])))

    def _height_width_channels(self, layout: ImageLayout) -> tuple[int, ...] | None:
        shape = self.shape
        needed = 2 if layout is ImageLayout.HW else 3
        if len(shape) < needed:
            self._refuse(f"an image of layout {layout.value}", f"shape {shape}", _FIXES["layout"])
            return None
        if layout is ImageLayout.HW:
            return (*shape, 1)
        return shape if layout is ImageLayout.HWC else (*shape[:-3], *shape[-2:], shape[-3])

    def _channels(self, count: int, layouts: list[ImageLayout], colors: list[ColorSpace]) -> bool:
        """Whether the image has the channels that its color needs, and can have the others."""
        before = len(self.problems)
        for layout, color, extent in ((layouts[0], colors[0], count), (layouts[1], colors[1], None)):
            needed = 1 if layout is ImageLayout.HW else _CHANNELS.get(color)
            if _CHANNELS.get(color, 1) != 1 and layout is ImageLayout.HW:
                fix = "say color GRAY, or a layout with channels"
                self._refuse(f"one channel for layout {layout.value}", color.value, fix)
            elif extent is not None and needed not in (None, extent):
                expected = f"{needed} channels for color {color.value}"
                self._refuse(expected, f"{extent} channels", _FIXES["color"])
        if layouts[1] is ImageLayout.HW and colors[0] is colors[1] and count != 1:
            self._refuse("one channel for layout hw", f"{count} channels", "say color GRAY")
        if colors[0] is not colors[1] and ColorSpace.DEPTH in colors:
            self._refuse(f"color {colors[1].value}", colors[0].value)
        return len(self.problems) == before

    def _formats(self) -> tuple[RotationFormat | None, RotationFormat | None]:
        """The forms of a rotation on both sides; what one does not say is as the other has it."""
        env, model = self.place.feature.rotation, self.port.feature.rotation
        if env in _UNSAID and model in _UNSAID:
            return None, None
        return (model if env in _UNSAID else env), (env if model in _UNSAID else model)

    def _rotation(self) -> bool:
        """Whether it is no rotation: the elements of one have the order of its form."""
        source, target = self._formats()
        if source is None or target is None:
            return True
        for unit in (self.place.feature.unit, self.port.feature.unit):
            if unit not in ("", "rad", "1"):
                self._refuse("no unit for a rotation, whose angles are in rad", unit, _FIXES["unit"])
        is_square = source is RotationFormat.MATRIX and self.shape[-2:] == (3, 3)
        length = LENGTHS[source]
        if not is_square and self.shape[-1:] != (length,):
            expected = f"{length} numbers along the last axis for {source.value}"
            self._refuse(expected, f"shape {self.shape}", _FIXES["rotation"])
            return False
        before = self.shape[:-2] if is_square else self.shape[:-1]
        wants_square = target is RotationFormat.MATRIX and (
            is_square if self.port.shape is None else self.port.shape[-2:] == (3, 3)
        )
        if source is not target or is_square != wants_square:
            self.steps.append(Rotate(source, target, (is_square, wants_square)))
        self.shape = (*before, 3, 3) if wants_square else (*before, LENGTHS[target])
        return False

    def _elements(self) -> None:
        theirs, ours = self.place.feature.element_names, self.port.feature.element_names
        if not theirs or not ours or theirs == ours:
            if ours and ours != theirs and self.shape[-1:] != (len(ours),):
                self._refuse(f"{len(ours)} elements", f"shape {self.shape}", _FIXES["names"])
            return
        if len(set(theirs)) < len(theirs) or len(set(ours)) < len(ours):
            self._refuse("distinct element names", f"{theirs} and {ours}", _FIXES["names"])
            return
        missing = [name for name in ours if name not in theirs]
        spare = [name for name in theirs if name not in ours]
        # An input may do with a part; of an action every element has to come, and nowhere to go.
        if missing or (spare and isinstance(self.port, ModelOutput)):
            self._refuse(f"elements named {ours}", f"{theirs}", _FIXES["names"])
            return
        self.steps.append(Reorder(tuple(theirs.index(name) for name in ours)))
        self.shape = (*self.shape[:-1], len(ours))

    def _unit(self) -> None:
        theirs, ours = self.place.feature.unit, self.port.feature.unit
        if not theirs or not ours or theirs == ours or self._formats() != (None, None):
            return
        factor = unit_factor(theirs, ours)
        if factor is None:
            self._refuse(f"a unit that becomes {ours!r}", repr(theirs), _FIXES["unit"])
        else:
            self.steps.append(Factor(factor))

    def inward(self, path: str, arrays: Arrays) -> Chain:
        """The chain that makes the model's input."""
        env = self.place.dtype
        target = self.port.dtype or env
        calculated = any(step.calculates for step in self.steps)
        exact = any(step.calculates and not _rounds(step) for step in self.steps)
        scaled = calculated and any(isinstance(step, Interval) for step in self.steps)
        fix = "give the input a float dtype, such as float32"
        if not target.is_float and (exact or (scaled and self.port.dtype is None)):
            self._refuse("a float dtype, for numbers that are calculated", f"{target}", fix)
        elif not target.is_float and env.is_float and not calculated:
            fix = "give both sides a range to scale between, or the input a float dtype"
            self._refuse(f"numbers of {target}", f"numbers of {env}", fix)
        work = arrays.working(env, target) if calculated else None
        return Chain(path, tuple(self.steps), work, target)

    def outward(self, path: str, arrays: Arrays) -> Chain:
        """The chain that makes a part of the environment's action."""
        env = self.place.dtype
        steps = tuple(step.inverse() for step in reversed(self.steps))
        calculated = any(step.calculates for step in steps)
        work = arrays.working(env, self.port.dtype) if calculated else None
        return Chain(path, steps, work, env)


_FIXES = {
    "kind": "say the same kind on both sides, or use another role",
    "reference": "differences and values become one another only by a state; " + _IN_ENV,
    "frame": "say the same frame on both sides; " + _IN_ENV,
    "layout": "correct the layout on one of the sides",
    "color": "correct the color on one of the sides",
    "rotation": "tag just the numbers of the rotation, by offset and length",
    "names": "say the same element names on both sides",
    "unit": "say units that differ by a known factor; " + _IN_ENV,
}


def _rounds(step: Step) -> bool:
    """Whether its whole results are meant to be rounded: shades of images and scaled numbers."""
    return isinstance(step, (Image, Interval))


def _laid_out(extents: tuple[int, ...], layout: ImageLayout) -> tuple[int, ...]:
    *before, height, width, channels = extents
    if layout is ImageLayout.HW:
        return (*before, height, width)
    tail = (height, width, channels) if layout is ImageLayout.HWC else (channels, height, width)
    return (*before, *tail)


def standardized(
    port: ModelInput | ModelOutput, shape: tuple[int, ...], channel_axis: int, path: str
) -> Step | Problem | None:
    """The normalization of an input, from the environment to the model.

    Args:
        port: The input or output.
        shape: Its extents.
        channel_axis: Axis of an image's channels, from the end; 0: it is no image with channels.
        path: Where it stands in the spec.
    """
    statistics = port.normalization
    if statistics is None:
        return None
    sides = (
        (statistics.mean, statistics.std)
        if isinstance(statistics, MeanStd)
        else (statistics.low, statistics.high)
    )
    axis = channel_axis or -1
    extent = shape[axis] if shape else 1
    counts = {len(side) for side in sides} - {1}
    if not counts <= {extent}:
        what = "channel of the image" if channel_axis else "element of the last axis"
        expected = f"statistics of one number, or {extent}, one a {what}"
        return Problem(path, expected, f"{max(counts)} of them", "correct the model's spec")
    extents = (extent, *(1 for _ in range(-1 - axis)))
    first, second = (
        Numbers(tuple(map(float, side)), () if len(side) == 1 else extents) for side in sides
    )
    if isinstance(statistics, MeanStd):
        return Standardize(first, second)
    return Interval(first, second, Numbers((-1.0,)), Numbers((1.0,)))
