"""Checks a model's spec: T-4 (a spec agrees with itself) and M-1 and M-6 (sizes and numbers)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from rlmesh._problem import Problem
from rlmesh.adapters._arrays import LARGEST, LEAST
from rlmesh.adapters._feature_rules import feature_problem, range_problem
from rlmesh.adapters._field_types import type_problems
from rlmesh.adapters._normalization import MeanStd, MinMax, Normalization
from rlmesh.adapters._problems import port_path
from rlmesh.adapters._spec import InputPart, ModelInput, ModelOutput, ModelSpec
from rlmesh.adapters._transforms import ImageFit, ImageTransform

__all__ = ["spec_problems", "transform_problems"]

_MAX_NAME_BYTES = 65_536
_MAX_DIMENSIONS = 32
_MAX_EXTENT = 2**63 - 1
_MAX_PIXELS = 2**15
_FIX = "correct the model's spec"


def spec_problems(spec: ModelSpec) -> tuple[Problem, ...]:
    """Return every problem that a spec has on its own, independent of the environment.

    Returns:
        A problem for each rule that is broken, with its path in the spec ("inputs['image']"); empty
        if the spec may be sent.
    """
    return tuple(_all(spec))


def _all(spec: ModelSpec) -> Iterator[Problem]:
    typed = list(type_problems(spec, "", _FIX))
    if typed:
        # The rules below compare numbers and read fields.
        yield from typed
        return
    if not spec.predict_forms:
        yield Problem("predict_forms", "at least one predict form", "none", _FIX)
    if not 0 <= spec.chunk_length < 2**32:
        yield Problem("chunk_length", "an integer of 32 bits", str(spec.chunk_length), _FIX)
    if len(spec.id.encode()) > _MAX_NAME_BYTES:
        yield Problem("id", f"at most {_MAX_NAME_BYTES} bytes", f"{len(spec.id)} characters", _FIX)
    yield from _names("inputs", [port.name for port in spec.inputs])
    yield from _names("outputs", _names_returned(spec.outputs))
    names = frozenset(port.name for port in spec.outputs)
    for given in spec.inputs:
        yield from _input(given, port_path("inputs", given.name), names)
    for returned in spec.outputs:
        yield from _output(returned, port_path("outputs", returned.name))
    yield from _overlaps(spec.outputs)


def _names_returned(outputs: Sequence[ModelOutput]) -> list[str]:
    """Return the names that the model returns, once if its outputs split one value."""
    split = list(dict.fromkeys(p.name for p in outputs if p.offset is not None))
    return split + [p.name for p in outputs if p.offset is None and not p.constant]


def _names(side: str, names: Sequence[str]) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(port_path(side, name), "distinct names", f"the name {count} times", _FIX)
        if len(name.encode()) > _MAX_NAME_BYTES:
            expected = f"a name of at most {_MAX_NAME_BYTES} bytes"
            yield Problem(side, expected, f"{len(name)} characters", _FIX)
    if "" in names and len(names) > 1:
        actual = f"{len(names)} {side}"
        yield Problem(port_path(side, ""), "an empty name only if it is the only one", actual, _FIX)


def _overlaps(outputs: Sequence[ModelOutput]) -> Iterator[Problem]:
    """Yield a problem for each element that two outputs of one name have."""
    split = sorted((p.name, p.offset, p.offset + p.length) for p in outputs if p.offset is not None)
    for name, spans in groupby(split, key=lambda span: span[0]):
        reached = 0
        for _, start, stop in spans:
            if start < reached:
                expected = "outputs of one name without common elements"
                yield Problem(port_path("outputs", name), expected, f"{start} twice", _FIX)
            reached = max(reached, stop)


def _port(port: ModelInput | ModelOutput, path: str) -> Iterator[Problem]:
    if port.shape is not None:
        yield from _shape(port.shape, path)
    yield from _normalization(port.normalization, path)
    problem = feature_problem(port.feature, path, _FIX)
    if problem is not None:
        yield problem


def _input(port: ModelInput, path: str, returned: frozenset[str]) -> Iterator[Problem]:
    yield from _port(port, path)
    for name, value in (("history", port.history), ("pad_to", port.pad_to)):
        if not 0 <= value < 2**32:
            yield Problem(path, f"a {name} of 32 bits", str(value), _FIX)
    if not 1 <= port.history_stride < 2**32:
        yield Problem(path, "a history_stride of at least 1", str(port.history_stride), _FIX)
    if not _held(port.pad_value):
        yield Problem(path, "a pad_value that float32 holds", str(port.pad_value), _FIX)
    for transform in port.image:
        yield from transform_problems(transform, path)
    if port.image and port.parts:
        yield Problem(path, "changes of an image, or parts of a vector", "both", _FIX)
    for part in port.parts:
        yield from _part(part, path, returned)
    if port.text is not None and port.text.template:
        yield from _template(port.text.template, path)


def _part(part: InputPart, path: str, returned: frozenset[str]) -> Iterator[Problem]:
    sources = (part.feature is not None, bool(part.constant), part.previous_output is not None)
    if sum(sources) != 1:
        expected = "parts with one of feature, constant and previous_output"
        yield Problem(path, expected, f"{sum(sources)} of them", _FIX)
    if part.feature is not None:
        problem = feature_problem(part.feature, path, _FIX)
        if problem is not None:
            yield problem
    if not _held(*part.constant):
        yield Problem(path, "constants that float32 holds", "others", _FIX)
    if part.previous_output is not None and part.previous_output not in returned:
        expected = "a previous_output that is the name of an output"
        yield Problem(path, expected, repr(part.previous_output)[:100], _FIX)
    if part.constant and part.normalization is not None:
        yield Problem(path, "no normalization for a constant", "one", _FIX)
    yield from _slice(part.offset, part.length, path)
    yield from _normalization(part.normalization, path)


def _slice(offset: int | None, length: int, path: str) -> Iterator[Problem]:
    right = length == 0 if offset is None else offset >= 0 and 1 <= length < 2**32 - offset
    if not right:
        expected = "offset and length together, with a length of at least 1"
        got = "no offset" if offset is None else str(offset)
        yield Problem(path, expected, f"{got} and {length}", _FIX)


def _template(template: str, path: str) -> Iterator[Problem]:
    if template.count("{text}") != 1:
        yield Problem(path, 'a template with "{text}" once', repr(template)[:100], _FIX)


def transform_problems(one: ImageTransform, path: str) -> Iterator[Problem]:
    """Yield the problems of a change of an image, whatever the image."""
    if one.size is not None and not _is_size(one.size):
        expected = f"a height and width from 1 to {_MAX_PIXELS}"
        yield Problem(path, expected, str(one.size), _FIX)
    if not 0 < one.crop_area <= 1:
        yield Problem(path, "a crop_area above 0 and at most 1", str(one.crop_area), _FIX)
    if not isinstance(one.jpeg_quality, int) or not 0 <= one.jpeg_quality <= 100:
        yield Problem(path, "a whole jpeg_quality from 0 to 100", str(one.jpeg_quality), _FIX)
    if one.fill and (one.fit is not ImageFit.PAD or not all(map(math.isfinite, one.fill))):
        yield Problem(path, "a finite fill, with fit pad", f"{one.fill} with {one.fit.value}", _FIX)


def _is_size(size: object) -> bool:
    return (
        isinstance(size, tuple)
        and len(size) == 2
        and all(isinstance(side, int) and 1 <= side <= _MAX_PIXELS for side in size)
    )


def _held(*numbers: float) -> bool:
    """Return whether float32 holds every number, so that calculating with them is defined."""
    return all(abs(number) < LARGEST for number in numbers)


def _output(port: ModelOutput, path: str) -> Iterator[Problem]:
    yield from _port(port, path)
    yield from _slice(port.offset, port.length, path)
    problem = range_problem(port.clip, path, _FIX)
    if problem is not None:
        yield problem
    numbers = (port.scale, port.shift, port.threshold or 0.0, *port.constant)
    if not _held(*numbers) or abs(port.scale) < LEAST:
        expected = "a scale other than 0, and shift, threshold and constant, that float32 holds"
        yield Problem(path, expected, str(numbers)[:200], _FIX)
    if port.threshold is not None and port.feature.gripper is None:
        expected = "a threshold only for a feature with a gripper's numbers for open and closed"
        yield Problem(path, expected, "one without", _FIX)
    if port.constant and (port.offset is not None or port.normalization is not None):
        expected = "neither offset nor normalization for a constant"
        yield Problem(path, expected, "one of them", _FIX)


def _shape(shape: Sequence[int], path: str) -> Iterator[Problem]:
    if len(shape) > _MAX_DIMENSIONS:
        yield Problem(path, f"at most {_MAX_DIMENSIONS} dimensions", str(len(shape)), _FIX)
    elif any(not 0 <= extent <= _MAX_EXTENT for extent in shape):
        yield Problem(path, "extents from 0 to 2**63 - 1", str(tuple(shape)), _FIX)
    elif math.prod(extent or 1 for extent in shape) > _MAX_EXTENT // 8:
        yield Problem(path, "a shape of at most 2**63 - 1 bytes", str(tuple(shape)), _FIX)


def _normalization(given: Normalization | None, path: str) -> Iterator[Problem]:
    if given is None:
        return
    sides = (given.mean, given.std) if isinstance(given, MeanStd) else (given.low, given.high)
    counts = {len(side) for side in sides} - {1} or {1}
    if 0 in counts or len(counts) > 1:
        expected = "statistics of one number each, or one an element"
        yield Problem(path, expected, f"{len(sides[0])} and {len(sides[1])}", _FIX)
        return
    if given.mask and counts not in ({1}, {len(given.mask)}):
        expected = "a mask of one for each element"
        yield Problem(path, expected, f"{len(given.mask)}", _FIX)
    if not 0 <= given.epsilon < math.inf:
        yield Problem(path, "an epsilon of at least 0", str(given.epsilon), _FIX)
    if isinstance(given, MeanStd):
        if not all(std >= 0 for std in given.std):
            yield Problem(path, "standard deviations of at least 0", "others", _FIX)
        return
    yield from _limits(given, path)


def _limits(given: MinMax, path: str) -> Iterator[Problem]:
    size = max(len(given.low), len(given.high))
    low, high = (side * (size if len(side) == 1 else 1) for side in (given.low, given.high))
    if not all(a <= b for a, b in zip(low, high)):
        yield Problem(path, "low <= high in every element", "others", _FIX)
    if not -math.inf < given.target[0] < given.target[1] < math.inf:
        yield Problem(path, "a finite target with low < high", str(given.target), _FIX)
