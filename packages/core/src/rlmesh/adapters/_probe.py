"""`Probe`: looks at the numbers of an episode for declarations that are probably wrong.

A wrong declaration converts numbers without an error, and the model scores badly for no visible
reason. Many wrong declarations show in the numbers of one episode: a quaternion that is not of unit
length, angles that no radians are, an image of 255 where 1 is the largest. What cannot be told from
numbers at all is listed in docs/adapters.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from rlmesh._optional import optional_import
from rlmesh.adapters._adapter import Adapter, Conversions
from rlmesh.adapters._arrays import Arrays
from rlmesh.adapters._chain import Lanes
from rlmesh.adapters._finding import Finding
from rlmesh.adapters._normalization import MeanStd
from rlmesh.adapters._parts import FeaturePart, part_of
from rlmesh.adapters._plans import ArrayInput, JoinedInput, feature_parts
from rlmesh.adapters._problems import port_path
from rlmesh.adapters._slots import LeafSlot
from rlmesh.adapters._spec import InputPart, ModelInput, ModelSpec
from rlmesh.adapters._tags import Feature, FeatureKind, ImageLayout, RotationFormat

__all__ = ["Probe"]

_LARGEST = {"m": 100.0, "rad": 8 * math.pi, "m/s": 100.0, "rad/s": 200.0}
"""Largest number of each unit that a robot's state plausibly has."""

_QUATERNIONS = (RotationFormat.QUATERNION_WXYZ, RotationFormat.QUATERNION_XYZW)
_SIX = (RotationFormat.SIX_D, RotationFormat.SIX_D_ROWS, RotationFormat.SIX_D_INTERLEAVED)
_ANGLES = (RotationFormat.AXIS_ANGLE, RotationFormat.EULER_XYZ, RotationFormat.EULER)
_FAR = 8.0
"""Largest distance of a normalized number from 0, in standard deviations or half ranges."""

_STILL_STEPS = 10
"""Number of steps after which something that never moved is reported."""


class Probe:
    """The checks of one episode, of observations as they come and of actions as they go.

    Images are large, and what is wrong with one shows in any of them: of those, only the first,
    second, fourth, eighth and so on are looked at.

    Args:
        adapter: The adapter of the pair.
        spec: The model's spec.

    Raises:
        ImportError: If NumPy is not installed.
    """

    def __init__(self, adapter: Adapter, spec: ModelSpec) -> None:
        self._np = optional_import("numpy", "a probe", "numpy")
        self._spec = spec
        self._conversions = adapter._conversions
        self._found: dict[tuple[str, str], Finding] = {}
        self._slots = (
            []
            if self._conversions is None
            else [part.slot for one in self._conversions.inputs for part in feature_parts(one)]
        )
        if self._conversions is not None:
            self._slots += [part.slot for _, part in self._conversions.states]
        self._turns = [] if self._conversions is None else list(_turns(self._conversions, spec))
        self._lanes = Lanes([{}], False)
        self._last: dict[str, Any] = {}
        self._bounds: dict[str, list[Any]] = {}
        self._blank: dict[str, str] = {}
        self._moved: dict[str, tuple[Any, bool]] = {}
        self._saturated: dict[str, int] = {}
        self._steps = 0
        self._observed = 0

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings so far, each once for a path and rule."""
        return tuple(self._found.values())

    @property
    def looks_at_images(self) -> bool:
        """Whether the images of the next observation are looked at."""
        return (self._observed + 1) & self._observed == 0

    def observed(self, observation: Any, given: Any) -> None:
        """Look at an observation, and at what the model is given for it.

        Args:
            observation: The environment's observation.
            given: The model's input, as `Episode.observe` returns it; an input that is missing is
                not looked at.
        """
        with self._np.errstate(all="ignore"):
            self._look(observation, given)

    def _look(self, observation: Any, given: Any) -> None:
        images = self.looks_at_images
        self._observed += 1
        for slot in self._slots:
            if not slot.is_text and (images or slot.feature.kind is not FeatureKind.IMAGE):
                self._feature(slot, self._numbers(observation, slot))
        if self._observed == 1:
            self._sides(observation)  # Later on, arms may cross.
        for turn in self._turns:
            array = turn.part.read(observation, self._lanes, turn.arrays)
            # Euler angles of a continuous motion jump wherever one of them passes a half turn.
            is_euler = turn.form is not RotationFormat.AXIS_ANGLE
            array = self._np.asarray(array).astype("f8")
            self._jump(turn.path, array, "info" if is_euler else "caution")
        for port in self._spec.inputs:
            value = given.get(port.name) if isinstance(given, Mapping) else given
            is_image = port.feature.kind is FeatureKind.IMAGE
            if value is None or isinstance(value, str) or (is_image and not images):
                continue
            array = self._np.asarray(value)
            self._input(port, array if is_image else array.astype("f8"))

    def acted(self, action: Any, chunk: int | None = None) -> None:
        """Look at an action that became of what the model returned.

        Args:
            action: The environment's action.
            chunk: Number of actions that the model returned; None: it returns no chunks.
        """
        self._steps += 1
        declared = self._spec.chunk_length
        if chunk is not None and declared and chunk != declared:
            seen = f"{chunk} actions, {declared} declared"
            self._report("outputs", "chunk_length", seen, "chunk_length of the spec")
        for one in () if self._conversions is None else self._conversions.outputs:
            if one.chain is None:
                continue
            self._action(one.path, one.slot, self._numbers(action, one.slot))

    def ended(self) -> None:
        """Look at the episode as a whole."""
        for path, blank in self._blank.items():
            if blank:
                self._report(path, "blank_image", blank, "the renderer, and the path")
        if self._steps < _STILL_STEPS:
            return
        for path, (_, moved) in self._moved.items():
            if not moved:
                seen = f"one number for {self._steps} steps"
                check = "threshold and polarity of the gripper"
                self._report(path, "gripper_still", seen, check, "info")
        for path, count in self._saturated.items():
            if count >= 0.9 * self._steps:
                seen = f"at a bound in {count} of {self._steps} steps"
                check = "scale, unit and normalization of the output"
                self._report(path, "saturated", seen, check, "info")

    def _numbers(self, value: Any, slot: LeafSlot) -> Any:
        """Return a feature's numbers of an observation or action; those of no image as float64."""
        array = slot.cut(self._np.asarray(part_of(value, slot)))
        return array if slot.feature.kind is FeatureKind.IMAGE else array.astype("f8")

    def _report(
        self,
        path: str,
        rule: str,
        seen: str,
        check: str,
        level: Literal["info", "caution"] = "caution",
    ) -> None:
        self._found.setdefault((path, rule), Finding(path, rule, seen, check, level))

    def _feature(self, slot: LeafSlot, array: Any) -> None:
        feature, path = slot.feature, slot.path
        if not self._np.isfinite(array).all():
            self._report(path, "not_finite", "NaN or infinity", "the environment")
            return
        if feature.range is not None:
            self._within(path, array, feature.range, "tag_range", "range of the tag")
        if feature.gripper is not None:
            ends = sorted((feature.gripper.open, feature.gripper.closed))
            self._within(path, array, (ends[0], ends[1]), "gripper_range", "open and closed")
        is_base = feature.role.endswith("base_position")  # A robot that moves may go far.
        largest = None if is_base else _LARGEST.get(feature.unit)
        if largest is not None and array.size and abs(array).max() > largest:
            self._report(path, "unit", f"{abs(array).max():g} {feature.unit}", "unit of the tag")
        if feature.kind is FeatureKind.IMAGE:
            self._image(path, feature, array)
        self._rotation(path, feature, array)

    def _within(
        self, path: str, array: Any, ends: tuple[float, float], rule: str, check: str
    ) -> None:
        margin = 0.1 * (ends[1] - ends[0])
        if not array.size or (array.min() >= ends[0] - margin and array.max() <= ends[1] + margin):
            return
        seen = f"{array.min():g} to {array.max():g}, not within {ends[0]:g} to {ends[1]:g}"
        self._report(path, rule, seen, check)

    def _image(self, path: str, feature: Feature, array: Any) -> None:
        axis = -3 if feature.layout is ImageLayout.CHW else -1
        if feature.layout is not ImageLayout.HW and array.ndim >= 3 and array.shape[axis] > 4:
            seen = f"{array.shape[axis]} channels of shape {array.shape}"
            self._report(path, "layout", seen, "layout of the tag")
        # The first image of an episode may be blank, before anything is drawn.
        is_blank = array.size > 1 and array.min() == array.max()
        if not is_blank:
            self._blank[path] = ""
        else:
            self._blank.setdefault(path, f"all {array.min():g}")

    def _rotation(self, path: str, feature: Feature, array: Any) -> None:
        form = feature.rotation
        if form in _QUATERNIONS:
            length = self._np.linalg.norm(array, axis=-1)
            if (abs(length - 1) > 0.05).any():
                self._report(path, "unit_quaternion", f"length {_worst(length, 1):g}", _FORM)
        elif form in _SIX or form is RotationFormat.MATRIX:
            error = self._orthogonality(form, array)
            if error > 0.05:
                self._report(path, "orthogonal", f"off by {error:g}", _FORM)
        elif form in _ANGLES:
            self._angles(path, form, array)

    def _orthogonality(self, form: RotationFormat, array: Any) -> float:
        np = self._np
        if form is RotationFormat.MATRIX:
            matrix = array.reshape((-1, 3, 3))
            product = matrix @ matrix.transpose(0, 2, 1) - np.eye(3)
            return float(max(abs(product).max(), abs(np.linalg.det(matrix) - 1).max()))
        pairs = array.reshape((-1, 6))
        if form is RotationFormat.SIX_D_INTERLEAVED:
            one, other = pairs[:, ::2], pairs[:, 1::2]
        else:
            one, other = pairs[:, :3], pairs[:, 3:]
        lengths = [abs(np.linalg.norm(side, axis=-1) - 1).max() for side in (one, other)]
        return float(max(*lengths, abs((one * other).sum(-1)).max()))

    def _angles(self, path: str, form: RotationFormat, array: Any) -> None:
        np = self._np
        size = np.linalg.norm(array, axis=-1) if form is RotationFormat.AXIS_ANGLE else abs(array)
        if size.size and size.max() > 2 * math.pi + 0.1:
            self._report(path, "radians", f"an angle of {size.max():g}", "degrees or radians")
        self._jump(path, array, "info")  # Harmless for a model that reads another form.

    def _jump(self, path: str, array: Any, level: Literal["info", "caution"]) -> None:
        # Some steps may lie between two observations, in which no arm turns that far.
        before = self._last.get(path)
        self._last[path] = array
        if before is not None and abs(array - before).max() > 1.5 * math.pi:
            seen = f"a jump of {abs(array - before).max():g}"
            check = "sign of the rotation: continuous, or as_given"
            self._report(path, "jump", seen, check, level)

    def _sides(self, observation: Any) -> None:
        """Compare the positions of parts: in a base frame, y points to the left (REP 103)."""
        found: dict[str, tuple[str, Any]] = {}
        for slot in self._slots:
            area, _, rest = slot.feature.role.partition("/")
            part, _, name = rest.partition("/")
            if area == "state" and name == "eef_position" and slot.feature.frame == "base":
                found[part] = (slot.path, self._numbers(observation, slot))
        if {"left", "right"} <= found.keys():
            (path, left), (_, right) = found["left"], found["right"]
            if left[..., 1].max() < right[..., 1].min():
                seen = f"y of {left[..., 1].max():g}, right of {right[..., 1].min():g}"
                self._report(path, "left_right", seen, "the roles of left and right")

    def _input(self, port: ModelInput, array: Any) -> None:
        path = port_path("inputs", port.name)
        if not self._np.isfinite(array).all():
            self._report(path, "not_finite", "NaN or infinity", "the normalization's statistics")
            return
        if port.feature.range is not None and port.normalization is None and not port.parts:
            self._within(path, array, port.feature.range, "input_range", "range on both sides")
        if port.normalization is None or not array.size:
            return
        is_image = port.feature.kind is FeatureKind.IMAGE
        far = abs(array.mean()) if is_image else abs(array).max()
        if far > (3.0 if is_image else _FAR):
            what = "mean" if is_image else "number"
            seen = f"a normalized {what} of {far:g}"
            self._report(path, "statistics", seen, "unit, range and the dataset of the statistics")
        if is_image and isinstance(port.normalization, MeanStd):
            self._color_order(path, port, array)

    def _color_order(self, path: str, port: ModelInput, array: Any) -> None:
        """Compare the means of the channels with the dataset's, in both orders."""
        given = port.normalization
        assert isinstance(given, MeanStd)
        if len(given.mean) != 3:
            return
        np, axis = self._np, -3 if port.feature.layout is ImageLayout.CHW else -1
        std = np.array(given.std * (3 if len(given.std) == 1 else 1))
        means = np.moveaxis(array, axis, -1).reshape((-1, 3)).mean(0) * std + np.array(given.mean)
        right, wrong = (abs(means - np.array(m)).sum() for m in (given.mean, given.mean[::-1]))
        if right > 3 * wrong and right > 0.1 * abs(np.array(given.mean)).max():
            seen = "channel means " + ", ".join(f"{x:.3g}" for x in means)
            self._report(path, "color_order", seen, "rgb or bgr on both sides")

    def _action(self, path: str, slot: LeafSlot, array: Any) -> None:
        if not self._np.isfinite(array).all():
            self._report(path, "not_finite", "NaN or infinity", "the model, and the statistics")
            return
        if slot.feature.gripper is not None:
            first, moved = self._moved.get(path, (array, False))
            self._moved[path] = (first, moved or bool(abs(array - first).max() > 1e-6))
            return
        if not slot.dtype.is_float:
            return  # A choice has a first and a last number, which mean nothing.
        if path not in self._bounds:
            bounds = slot.bounds() or ()
            self._bounds[path] = [self._np.array(b.values).reshape(b.shape) for b in bounds]
        if not self._bounds[path] or not array.size:
            return
        low, high = self._bounds[path]
        is_limited = high > low  # Elsewhere the action has no choice.
        if (is_limited & ((array <= low) | (array >= high))).any():
            self._saturated[path] = self._saturated.get(path, 0) + 1
        beyond = self._np.maximum(low - array, array - high)
        if (is_limited & (beyond > 0.1 * (high - low))).any():
            seen = f"{array.min():g} to {array.max():g}"
            self._report(path, "action_range", seen, "scale, unit and normalization of the output")


class _Turn(NamedTuple):
    """A rotation that a model gets as angles, before any scaling."""

    path: str
    part: FeaturePart
    form: RotationFormat
    arrays: Arrays


def _turns(made: Conversions, spec: ModelSpec) -> Iterator[_Turn]:
    read = {one.name: one for one in made.inputs}
    for port in spec.inputs:
        one, path = read.get(port.name), port_path("inputs", port.name)
        if isinstance(one, ArrayInput) and port.normalization is None:
            pairs = [(port.feature, one.feature)]
        elif isinstance(one, JoinedInput):
            declared = port.parts or (InputPart(port.feature),)
            pairs = [
                (given.feature, part)
                for given, part in zip(declared, one.parts)
                if given.feature is not None and isinstance(part, FeaturePart)
                if given.normalization is None and given.offset is None
            ]
        else:
            continue
        for feature, part in pairs:
            if feature.rotation in _ANGLES:
                name = f"{path} ({feature.role})" if port.parts else path
                yield _Turn(name, part, feature.rotation, made.arrays)


_FORM = "the form of the rotation, and the elements"


def _worst(array: Any, wanted: float) -> float:
    return float(array.flat[abs(array - wanted).argmax()]) if array.ndim else float(array)
