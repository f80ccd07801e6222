"""Finds the conversions from an environment's feature to a model's, and back."""

from __future__ import annotations

from dataclasses import dataclass, field

from rlmesh._problem import Problem
from rlmesh.adapters._agreed import agreed
from rlmesh.adapters._arrays import Arrays, Numbers
from rlmesh.adapters._chain import Chain, StatefulStep
from rlmesh.adapters._fit_images import fit_image
from rlmesh.adapters._fit_normalization import normalized
from rlmesh.adapters._image_steps import Distance, Image
from rlmesh.adapters._images import MAX_WEIGHTS, Resize
from rlmesh.adapters._normalization import Normalization
from rlmesh.adapters._parts import with_history
from rlmesh.adapters._problems import shortened
from rlmesh.adapters._rotations import LENGTHS, REORDERED, Form
from rlmesh.adapters._slots import LeafSlot, is_interval
from rlmesh.adapters._spec import ModelOutput
from rlmesh.adapters._stateful_steps import Follow, Relative
from rlmesh.adapters._steps import (
    Affine,
    Clip,
    Ends,
    Factor,
    Interval,
    Reorder,
    Rotate,
    Shortest,
    Snap,
    Step,
)
from rlmesh.adapters._tags import (
    ColorSpace,
    Feature,
    FeatureKind,
    ImageLayout,
    Reference,
    RotationFormat,
    RotationSign,
)
from rlmesh.adapters._transforms import ImageTransform
from rlmesh.adapters._units import unit_factor
from rlmesh.dtypes import DType

__all__ = ["Fit", "Wanted"]

_IN_ENV = "convert it in a wrapper of the environment, or in the model with DELEGATED"


@dataclass(frozen=True)
class Wanted:
    """The part of an input or output that a feature of the environment is converted to or from.

    Attributes:
        feature: Meaning of the part.
        path: Path of the input or output in the spec.
        dtype: Element type; None: that of the environment.
        shape: Extents, without history; None: any.
        normalization: Scaling; None: none.
        image: Changes of an image.
        output: The output; None: it is an input.
    """

    feature: Feature
    path: str
    dtype: DType | None = None
    shape: tuple[int, ...] | None = None
    normalization: Normalization | None = None
    image: tuple[ImageTransform, ...] = ()
    output: ModelOutput | None = None


@dataclass
class Fit:
    """The conversion of one feature of an environment to that of a model.

    Attributes:
        slot: The feature of the environment.
        wanted: The part of the model's input or output.
        problems: List to which reasons why the two do not fit are appended.
        before: Conversions in the environment's type, before the others.
        steps: The conversions from the environment to the model.
        shape: Extents of the feature on the model's side, without batch axes and history.
        channel_axis: Axis of the channels of a model's image, counted from the end; 0: none.
    """

    slot: LeafSlot
    wanted: Wanted
    problems: list[Problem]
    before: tuple[Step, ...] = ()
    steps: list[Step | StatefulStep] = field(default_factory=list)
    shape: tuple[int, ...] = ()
    channel_axis: int = 0

    def __post_init__(self) -> None:
        self.shape = self.slot.shape
        self.path = self.wanted.path
        self._agree()
        self._interval()
        forms = self._forms()
        if self._is_image():
            self._image()
        elif forms is None:
            self._elements()
        else:
            self._rotation(*forms)
        self._unit()
        found = normalized(self.wanted.normalization, self.shape, self.channel_axis, self.path)
        if isinstance(found, Problem):
            self.problems.append(found)
        elif found is not None:
            self.steps.append(found)

    def _refuse(self, expected: str, actual: str, fix: str = _IN_ENV) -> None:
        self.problems.append(Problem(self.path, expected, f"{actual} at {self.slot.path}", fix))

    def _agree(self) -> None:
        """Refuse properties that cannot be converted and that both sides specify differently."""
        env, model = self.slot.feature, self.wanted.feature
        output = self.wanted.output
        relative = output is not None and output.relative_to
        pairs = {
            "kind": (env.kind.value, model.kind.value),
            "reference": (
                "unspecified" if relative else env.reference.value,
                model.reference.value,
            ),
            "frame": (env.frame or "unspecified", model.frame or "unspecified"),
        }
        for name, (theirs, ours) in pairs.items():
            if theirs != ours and "unspecified" not in (theirs, ours):
                self._refuse(f"{name} {shortened(ours)}", shortened(theirs), _FIXES[name])

    def _is_image(self) -> bool:
        features = self.slot.feature, self.wanted.feature
        kinds = {feature.kind for feature in features} - {FeatureKind.UNSPECIFIED}
        if kinds:
            return kinds == {FeatureKind.IMAGE}
        unspecified = (ImageLayout.UNSPECIFIED, ColorSpace.UNSPECIFIED)
        return any((feature.layout, feature.color) != unspecified for feature in features)

    def _interval(self) -> None:
        """Map the intervals, unless both sides specify a unit, so that numbers are amounts."""
        env, model = self.slot.feature, self.wanted.feature
        if env.gripper is not None and model.gripper is not None:
            if env.gripper != model.gripper:
                source = env.gripper.closed, env.gripper.open
                self.steps.append(Ends(source, (model.gripper.closed, model.gripper.open)))
            return
        if model.range is None or (env.unit and model.unit) or env.depth or model.depth:
            return
        # Outputs for whole numbers are rounded if a range is specified, even an equal one.
        same_is_none = self.slot.dtype.is_float or self.wanted.output is None
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
        if self._forms() is not None:
            actual = shortened((ends[0].values, ends[1].values))
            fix = "leave the range of the rotation away; scale it by a normalization"
            self._refuse("no other range for a rotation than its own", actual, fix)
            return
        self.steps.append(Interval(*ends, low, high))

    def _image(self) -> None:
        env, model = self.slot.feature, self.wanted.feature
        if env.depth or model.depth:
            self._distances(env, model)
        found = fit_image(
            env.image_form,
            model.image_form,
            self.shape,
            self.slot.dtype,
            self._transforms(env.applied),
            self._refuse,
            is_output=self.wanted.output is not None,
        )
        if found is not None:
            self.before = found.before
            self.steps += found.steps
            self.shape, self.channel_axis = found.shape, found.channel_axis

    def _transforms(self, applied: tuple[ImageTransform, ...]) -> tuple[ImageTransform, ...]:
        """Return the changes that the image has not had yet; an output makes none of them."""
        wanted = self.wanted.image
        if self.wanted.output is None and wanted[: len(applied)] != applied:
            actual = f"{len(applied)} that are not the first of the model's {len(wanted)}"
            self._refuse("an image without changes of another model", actual, _FIXES["applied"])
        return wanted[len(applied) :]

    def _distances(self, env: Feature, model: Feature) -> None:
        if not {env.color, model.color} <= {ColorSpace.DEPTH, ColorSpace.UNSPECIFIED}:
            fix = "correct the color on one of the sides"
            self._refuse("color depth for an image with distances", "another color", fix)
        factor = unit_factor(env.unit, model.unit) if env.unit and model.unit else 1.0
        # A factor of None is reported with the units.
        if env.depth != model.depth or factor != 1:
            self.steps.append(Distance(env.depth, model.depth, factor or 1.0))

    def _forms(self) -> tuple[Form, Form] | None:
        """Return the forms of a rotation on both sides, or None if it is not a rotation."""
        sides = self.slot.feature, self.wanted.feature
        formats = agreed(sides[0].rotation, sides[1].rotation, RotationFormat.UNSPECIFIED)
        if formats[0] is RotationFormat.UNSPECIFIED:
            return None
        axes = agreed(sides[0].euler_axes, sides[1].euler_axes, "")
        own = [
            Form(format_, axis if format_ is RotationFormat.EULER else "", keeps_sign=keeps)
            for format_, axis, keeps in zip(
                formats, axes, (s.sign is RotationSign.AS_GIVEN for s in sides)
            )
        ]
        return own[0], own[1]

    def _rotation(self, source: Form, target: Form) -> None:
        for unit in {self.slot.feature.unit, self.wanted.feature.unit} - {"", "rad", "1"}:
            self._refuse(
                "no unit for a rotation: its angles are in rad", shortened(unit), _FIXES["unit"]
            )
        square = source.format is RotationFormat.MATRIX and self.shape[-2:] == (3, 3)
        if not square and self.shape[-1:] != (LENGTHS[source.format],):
            expected = f"{LENGTHS[source.format]} numbers along the last axis for "
            self._refuse(
                f"{expected}{source.format.value}", f"shape {self.shape}", _FIXES["rotation"]
            )
            return
        before = self.shape[:-2] if square else self.shape[:-1]
        wanted = self.wanted.shape
        square_after = target.format is RotationFormat.MATRIX and (
            square if wanted is None else wanted[-2:] == (3, 3)
        )
        if not (source.moves_only(target) and source.format is target.format) or (
            square != square_after
        ):
            self.steps.append(Rotate(source, target, (square, square_after)))
        self.shape = (*before, 3, 3) if square_after else (*before, LENGTHS[target.format])
        self._sign(target)

    def _sign(self, target: Form) -> None:
        """Write the one of equal rotations that the model asks for."""
        sign = self.wanted.feature.sign
        has_sign = target.format in REORDERED | {RotationFormat.AXIS_ANGLE}
        if not has_sign or self.wanted.output is not None:
            return
        if sign in (RotationSign.SHORTEST, RotationSign.CONTINUOUS):
            if not any(isinstance(step, Rotate) and step.calculates for step in self.steps):
                self.steps.append(Shortest(target))
            if sign is RotationSign.CONTINUOUS:
                self.steps.append(Follow(self.path + self.slot.path, target))

    def _elements(self) -> None:
        theirs, ours = self.slot.feature.element_names, self.wanted.feature.element_names
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
        if missing or (spare and self.wanted.output is not None):
            self._refuse(f"elements named {shortened(ours)}", shortened(theirs), _FIXES["names"])
            return
        self.steps.append(Reorder(tuple(theirs.index(name) for name in ours)))
        self.shape = (*self.shape[:-1], len(ours))

    def _unit(self) -> None:
        theirs, ours = self.slot.feature.unit, self.wanted.feature.unit
        if not theirs or not ours or theirs == ours or self._forms() is not None:
            return
        factor = unit_factor(theirs, ours)
        if factor is None:
            self._refuse(f"a unit that becomes {ours!r}", shortened(theirs), _FIXES["unit"])
        elif not any(isinstance(step, Distance) for step in self.steps):
            self.steps.append(Factor(factor))

    def inward(self, arrays: Arrays) -> Chain:
        """Return the chain that makes the model's input."""
        self._check_weights(arrays)
        env = self.slot.dtype
        target = self.wanted.dtype or env
        calculated = any(step.calculates for step in self.steps)
        if not target.is_float:
            self._whole(env.is_float, calculated)
        work = arrays.working(env, target) if calculated else None
        rounds = calculated and not target.is_float
        return Chain(self.path, tuple(self.steps), work, rounds, target, self.before)

    def numbers(self, arrays: Arrays) -> Chain:
        """Return the chain that makes numbers to calculate with: a part of a vector, or a state."""
        self._check_weights(arrays)
        work = arrays.working(self.slot.dtype, self.wanted.dtype)
        return Chain(self.path, tuple(self.steps), work, False, None, self.before)

    def _check_weights(self, arrays: Arrays) -> None:
        """Refuse images with a side too long to resize by products of matrices."""
        count = max((one.weighs for one in self.before if isinstance(one, Resize)), default=0)
        if count > MAX_WEIGHTS and not arrays.is_numpy:
            fix = "use the resampler nearest, or rlmesh.numpy"
            self._refuse(f"at most {MAX_WEIGHTS} weights for a side", f"{count}", fix)

    def _whole(self, from_floats: bool, calculated: bool) -> None:
        """Refuse whole numbers for calculated ones, except shades and numbers scaled to a range."""
        shades = (Image, Interval) if self.wanted.dtype and not self.wanted.normalization else Image
        if any(step.calculates and not isinstance(step, shades) for step in self.steps):
            fix = "give the input a float dtype, such as float32"
            self._refuse("a float dtype for numbers that are calculated", "whole numbers", fix)
        elif from_floats and not calculated:
            fix = "give both sides a range to scale between, or the input a float dtype"
            self._refuse(f"numbers of {self.wanted.dtype}", f"{self.slot.dtype}", fix)

    def outward(self, arrays: Arrays) -> Chain:
        """Return the chain that makes a part of the environment's action; of an output."""
        env, output = self.slot.dtype, self.wanted.output
        assert output is not None
        scaled = 1 if self.wanted.normalization is not None and self.steps else 0
        inner = self.steps[: len(self.steps) - scaled]
        steps: list[Step | StatefulStep] = [
            *_clipped(output.clip),
            *(step.inverse() for step in self.steps[len(inner) :]),
            *_own_steps(output),
            *self._relative(output),
            *(step.inverse() for step in reversed(inner)),
            *(step.inverse() for step in reversed(self.before)),
            *self._within_space(output),
        ]
        calculated = any(step.calculates for step in steps)
        work = arrays.working(env, self.wanted.dtype) if calculated else None
        # JAX may lack the type; the wire uses the type of the space in any case.
        target = env if arrays.lack(env) is None else None
        return Chain(self.slot.path, tuple(steps), work, calculated and not env.is_float, target)

    def _relative(self, output: ModelOutput) -> list[StatefulStep]:
        """Return the step between a difference and an absolute value, if the sides differ."""
        references = agreed(
            self.slot.feature.reference, self.wanted.feature.reference, Reference.UNSPECIFIED
        )
        if not output.relative_to or references[0] is references[1]:
            return []
        forms = self._forms()
        subtracts = references[0] is Reference.DELTA
        form = None if forms is None else forms[1]
        return [Relative(output.relative_to, subtracts, form, output.relative_local)]

    def _within_space(self, output: ModelOutput) -> list[Step]:
        if not output.clip_to_space:
            return []
        bounds = self.slot.bounds()
        if bounds is None:
            fix = "leave clip_to_space out"
            self._refuse("a space with bounds to clip to", "one with too many or without", fix)
            return []
        return [Clip(*bounds)]

    def check_shape(self, history: int, joined: bool) -> None:
        """Refuse a shape other than the one that the spec specifies."""
        wanted = self.wanted.shape
        whole = with_history(self.shape, history, joined, self.channel_axis)
        if wanted is None or tuple(wanted) == whole:
            return
        fix = "correct the spec's shape"
        if self._is_image():
            fix = "correct the spec's shape, or have the image resized: ImageTransform(size=...)"
        elif history:
            fix += ": its first axis is that of the history"
        self._refuse(f"shape {tuple(wanted)}", f"{whole}", fix)


def _clipped(interval: tuple[float, float] | None) -> list[Step]:
    return [] if interval is None else [Clip(*(Numbers((end,)) for end in interval))]


def _own_steps(output: ModelOutput) -> list[Step]:
    """Return the steps in the model's numbers, after their scaling is undone."""
    steps: list[Step] = []
    if (output.scale, output.shift) != (1.0, 0.0):
        steps.append(Affine(output.scale, output.shift))
    gripper = output.feature.gripper
    if output.threshold is not None and gripper is not None:
        ends = sorted((gripper.open, gripper.closed))
        steps.append(Snap(output.threshold, ends[0], ends[1]))
    return steps


_FIXES = {
    "applied": "connect without a view (observe=), or use the model that the view was made for",
    "kind": "use the same kind on both sides, or another role",
    "reference": "converting between differences and values needs a state; " + _IN_ENV,
    "frame": "use the same frame on both sides; " + _IN_ENV,
    "layout": "correct the layout on one of the sides",
    "color": "correct the color on one of the sides",
    "rotation": "tag just the numbers of the rotation, by offset and length",
    "names": "use the same element names on both sides",
    "unit": "use units that differ by a known factor; " + _IN_ENV,
}
