"""How an input of a model is read from an environment's observation."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rlmesh._problem import Problem
from rlmesh.adapters._adapter import Input
from rlmesh.adapters._arrays import FLOAT32, Numbers
from rlmesh.adapters._chain import Chain
from rlmesh.adapters._entrypoints import load_entrypoint
from rlmesh.adapters._fit import Fit, Wanted
from rlmesh.adapters._fit_images import CHANNEL_AXES
from rlmesh.adapters._fit_normalization import normalized, normalized_part
from rlmesh.adapters._matching import Matching
from rlmesh.adapters._parts import (
    ConstantPart,
    FeaturePart,
    History,
    Part,
    PreviousPart,
    with_history,
)
from rlmesh.adapters._plans import ArrayInput, CalledInput, JoinedInput, Output, TextInput
from rlmesh.adapters._problems import port_path
from rlmesh.adapters._slots import LeafSlot
from rlmesh.adapters._spec import InputPart, ModelInput
from rlmesh.adapters._steps import Pad, Reshape, Step
from rlmesh.adapters._tags import FeatureKind
from rlmesh.adapters._transforms import HistoryPadding, TextTransform
from rlmesh.dtypes import DType
from rlmesh.spaces._base import MAX_LEAF_BYTES

__all__ = ["InputResolver"]

MAX_HISTORY = 65_536
"""Largest number of observations that a history spans: as many as a chunk has actions."""

MAX_HISTORY_BYTES = 2**30
"""Largest size in bytes of the observations that a history spans."""

_FIX = "correct the model's spec"


class InputResolver:
    """The resolver of a spec's inputs; faults are appended to the problems of `matching`.

    Args:
        matching: The environment's features.
        outputs: The model's outputs, which inputs may read at the next step.

    Attributes:
        previous: Names of the outputs that inputs read at the next step.
    """

    def __init__(self, matching: Matching, outputs: Sequence[Output]) -> None:
        self._matching = matching
        self._outputs = outputs
        self.previous: set[str] = set()

    def input(self, port: ModelInput) -> Input | None:
        """Return how an input is read; None if it is left out, or does not fit."""
        path = port_path("inputs", port.name)
        if port.observations > MAX_HISTORY:
            expected = f"a history of at most {MAX_HISTORY} observations"
            self._matching.report(path, expected, str(port.observations), "stack fewer")
            return None
        if port.entrypoint:
            return self._called(port, path)
        if port.parts or port.pad_to:
            return self._joined(port, path)
        is_text = port.feature.kind is FeatureKind.TEXT
        before = len(self._matching.problems)
        optional = is_text or (port.optional and port.name != "")
        found = self._matching.observed(port.feature.role, path, optional=optional)
        if len(self._matching.problems) > before:
            return None
        if is_text or (found is not None and found.is_text):
            return self._text(port, path, found)
        if found is None or not self._matching.holds(found.path, found.dtype, port.dtype):
            return None
        history = _stacked(port)
        wanted = Wanted(port.feature, path, port.dtype, port.shape, port.normalization, port.image)
        fit = Fit(found, wanted, self._matching.problems)
        fit.check_shape(history, port.history_joined)
        self._check_size(port, path, fit.shape, port.dtype or found.dtype)
        chain = fit.inward(self._matching.arrays)
        axis = (fit.channel_axis or -1) if port.history_joined and fit.shape else None
        return ArrayInput(port.name, FeaturePart(found, chain), _history(port, axis))

    def _joined(self, port: ModelInput, path: str) -> JoinedInput | None:
        """Return how a vector is joined; None if it is left out, or does not fit."""
        before = len(self._matching.problems)
        declared = port.parts or (InputPart(port.feature),)
        parts: list[Part] = []
        size = 0
        for part in declared:
            found = self._part(part, path, optional=port.optional)
            if found is None:
                return None
            parts.append(found[0])
            size += found[1]
        steps = self._vector_steps(port, path, size)
        dtype = port.dtype or FLOAT32
        if not dtype.is_float:
            fix = "give the input a float dtype, such as float32"
            self._matching.report(path, "a float dtype for a vector of parts", str(dtype), fix)
        self._check_size(port, path, (port.pad_to or size,), dtype)
        if len(self._matching.problems) > before or not self._matching.holds(path, dtype):
            return None
        read = [part.slot.dtype for part in parts if isinstance(part, FeaturePart)]
        work = self._matching.arrays.working(dtype, *read)
        chain = Chain(path, tuple(steps), work, False, dtype)
        return JoinedInput(
            port.name,
            tuple(parts),
            work,
            chain,
            _history(port, -1 if port.history_joined else None),
        )

    def _check_size(
        self, port: ModelInput, path: str, shape: tuple[int, ...], dtype: DType
    ) -> None:
        """Refuse an input that a history or a padding makes too large, before it is allocated."""
        one = math.prod(shape) * dtype.itemsize
        whole = one * max(port.history, 1)
        if (port.history > 1 or port.pad_to) and whole > MAX_LEAF_BYTES:
            expected = f"an input of at most {MAX_LEAF_BYTES} bytes"
            self._matching.report(path, expected, str(whole), _FIX)
        elif port.history > 1 and one * port.observations > MAX_HISTORY_BYTES:
            expected = f"a history that spans at most {MAX_HISTORY_BYTES} bytes"
            actual = f"{port.observations} observations of {one}"
            self._matching.report(path, expected, actual, "stack fewer")

    def _vector_steps(self, port: ModelInput, path: str, size: int) -> list[Step]:
        """Return the steps of a whole vector: its scaling, its padding and its shape."""
        steps: list[Step] = []
        found = normalized(port.normalization, (size,), 0, path)
        if isinstance(found, Problem):
            self._matching.problems.append(found)
        elif found is not None:
            steps.append(found)
        if port.pad_to:
            if port.pad_to < size:
                expected = f"a pad_to of at least {size}, the elements of the parts"
                self._matching.report(path, expected, str(port.pad_to), _FIX)
            elif port.pad_to > size:
                steps.append(Pad(port.pad_to - size, Numbers((port.pad_value,))))
            size = port.pad_to
        history = _stacked(port)
        if port.shape is None or port.shape == with_history(
            (size,), history, port.history_joined, 0
        ):
            return steps
        shape = port.shape[1:] if history and not port.history_joined else port.shape
        if (port.history_joined and history) or math.prod(shape) != size:
            actual = f"{size} elements of the parts"
            self._matching.report(path, f"shape {port.shape}", actual, _FIX)
        steps.append(Reshape(shape))
        return steps

    def _part(self, part: InputPart, path: str, *, optional: bool) -> tuple[Part, int] | None:
        """Return a part with the number of its elements; None if it is left out or does not fit."""
        if part.previous_output is not None:
            return self._previous(part, part.previous_output, path)
        if part.feature is None:
            constant = part.constant
            if part.offset is not None:
                constant = constant[part.offset : part.offset + part.length]
            if part.offset is not None and len(constant) != part.length:
                expected = f"elements {part.offset} to {part.offset + part.length - 1}"
                self._matching.report(path, expected, f"{len(part.constant)} constants", _FIX)
                return None
            return ConstantPart(Numbers(constant, (len(constant),))), len(constant)
        found = self._matching.observed(part.feature.role, path, optional=optional)
        if found is None or not self._numeric(found, path):
            return None
        if part.offset is None:
            wanted = Wanted(part.feature, path, None, None, part.normalization)
            fit = Fit(found, wanted, self._matching.problems)
            return FeaturePart(found, fit.numbers(self._matching.arrays)), math.prod(fit.shape)
        fit = Fit(found, Wanted(part.feature, path), self._matching.problems)
        stop = part.offset + part.length
        if not fit.shape or stop > fit.shape[-1]:
            expected = f"elements {part.offset} to {stop - 1}"
            self._matching.report(path, expected, f"shape {fit.shape} at {found.path}", _FIX)
            return None
        scaled = normalized_part(part.normalization, fit.shape, part.offset, part.length, path)
        if isinstance(scaled, Problem):
            self._matching.problems.append(scaled)
            return None
        fit.steps += [] if scaled is None else [scaled]
        chain = fit.numbers(self._matching.arrays)
        return FeaturePart(found, chain, part.offset, stop), math.prod(fit.shape[:-1]) * part.length

    def _numeric(self, found: LeafSlot, path: str) -> bool:
        if found.is_text:
            self._matching.report(path, "numbers", f"a text at {found.path}", _FIX)
            return False
        return self._matching.holds(found.path, found.dtype)

    def _previous(self, part: InputPart, name: str, path: str) -> tuple[Part, int] | None:
        own = [one for one in self._outputs if one.name == name]
        own = [one for one in own if one.constant is None and one.chain is not None]
        if not own:
            return None  # A problem of the output has been reported.
        size = max((one.start or 0) + math.prod(one.shape) for one in own)
        start, stop = part.offset or 0, size
        if part.offset is not None:
            stop = start + part.length
        if stop > size:
            expected = f"elements {start} to {stop - 1} of {name!r}"
            self._matching.report(path, expected, f"{size} elements", _FIX)
            return None
        found = normalized(part.normalization, (stop - start,), 0, path)
        if isinstance(found, Problem):
            self._matching.problems.append(found)
            return None
        self.previous.add(name)
        # It is in the type of the vector already.
        chain = Chain(path, () if found is None else (found,), None, False, None)
        return PreviousPart(name, start, stop, size, chain), stop - start

    def _text(self, port: ModelInput, path: str, slot: LeafSlot | None) -> TextInput | None:
        before = len(self._matching.problems)
        fix = "correct the environment's tags, or the model's spec"
        if slot is not None and not slot.is_text:
            actual = f"a {slot.leaf.kind} at {slot.path}"
            self._matching.report(path, "a Text space", actual, fix)
        kind = port.feature.kind
        if kind not in (FeatureKind.TEXT, FeatureKind.UNSPECIFIED):
            self._matching.report(path, f"a feature of kind {kind.value}", "a text", fix)
        numeric = port.dtype or port.shape or port.normalization or port.feature.range
        if numeric or port.history > 1 or port.image:
            expected = "neither dtype, shape, range, normalization, image nor history for a text"
            self._matching.report(path, expected, "one of them", "leave it out")
        if len(self._matching.problems) > before:
            return None
        return TextInput(port.name, path, port.optional, slot, port.text or TextTransform())

    def _called(self, port: ModelInput, path: str) -> CalledInput | None:
        function = load_entrypoint(port.entrypoint, path, trusted=self._matching.trusted)
        history = _stacked(port)
        shape = port.shape
        if shape is not None and history and not port.history_joined:
            if shape[:1] != (history,):
                fix = "the shape's first axis is that of the history"
                self._matching.report(path, f"shape ({history}, ...)", f"{shape}", fix)
            shape = shape[1:]
        elif history:
            shape = None
        if shape is not None:
            self._check_size(port, path, shape, port.dtype or FLOAT32)
        layout = port.feature.layout if port.feature.kind is FeatureKind.IMAGE else None
        channel_axis = CHANNEL_AXES.get(layout, 0)
        normal = normalized(port.normalization, shape, channel_axis, path)
        for one in (function, normal):
            if isinstance(one, Problem):
                self._matching.problems.append(one)
        features = self._features(port, path)
        if isinstance(function, Problem) or isinstance(normal, Problem) or features is None:
            return None
        if not self._matching.holds(path, port.dtype):
            return None
        work = None if normal is None else self._matching.arrays.working(port.dtype)
        chain = Chain(path, () if normal is None else (normal,), work, False, port.dtype)
        space, element = self._matching.contract.observation_space, port.dtype or FLOAT32
        axis = (channel_axis or -1) if port.history_joined else None
        return CalledInput(
            port.name, function, features, space, chain, shape, element, _history(port, axis)
        )

    def _features(self, port: ModelInput, path: str) -> tuple[tuple[str, FeaturePart], ...] | None:
        """Return the features that an entry point gets, by their roles; None after a problem."""
        features: list[tuple[str, FeaturePart]] = []
        for part in port.parts:
            if part.feature is None:
                expected = "features alone as the parts of an entry point"
                self._matching.report(path, expected, "another part", _FIX)
                return None
            found = self._part(part, path, optional=False)
            if found is None:
                return None
            assert isinstance(found[0], FeaturePart)
            features.append((part.feature.role, found[0]))
        return tuple(features)


def _stacked(port: ModelInput) -> int:
    """Return the number of observations that are stacked; 0: there is no history."""
    return port.history if port.history > 1 else 0


def _history(port: ModelInput, axis: int | None) -> History | None:
    if not _stacked(port):
        return None
    zeros = port.history_padding is HistoryPadding.ZEROS
    return History(port.name, port.history, port.history_stride, zeros, axis)
