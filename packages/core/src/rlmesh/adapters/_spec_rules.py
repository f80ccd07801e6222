"""Checks a model's spec: T-4 (a spec agrees with itself) and M-1 and M-6 (sizes and numbers)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from rlmesh._problem import Problem
from rlmesh.adapters._problems import port_path
from rlmesh.adapters._slots import range_problem
from rlmesh.adapters._spec import MeanStd, ModelInput, ModelOutput, ModelSpec

__all__ = ["spec_problems"]

_MAX_NAME_BYTES = 65_536
_MAX_DIMENSIONS = 32
_MAX_EXTENT = 2**63 - 1
_FIX = "correct the model's spec"


def spec_problems(spec: ModelSpec) -> tuple[Problem, ...]:
    """Return every problem that a spec has on its own, independent of the environment.

    Returns:
        A problem for each rule that is broken, with its path in the spec ("inputs['image']"); empty
        if the spec may be sent.
    """
    return tuple(_all(spec))


def _all(spec: ModelSpec) -> Iterator[Problem]:
    if not spec.predict_forms:
        yield Problem("predict_forms", "at least one predict form", "none", _FIX)
    if not 0 <= spec.chunk_length < 2**32:
        yield Problem("chunk_length", "an integer of 32 bits", str(spec.chunk_length), _FIX)
    if len(spec.id.encode()) > _MAX_NAME_BYTES:
        yield Problem("id", f"at most {_MAX_NAME_BYTES} bytes", f"{len(spec.id)} characters", _FIX)
    for side, ports in (("inputs", spec.inputs), ("outputs", spec.outputs)):
        yield from _names(side, [port.name for port in ports])
        for port in ports:
            yield from _port(port, port_path(side, port.name))


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


def _port(port: ModelInput | ModelOutput, path: str) -> Iterator[Problem]:
    if port.shape is not None:
        yield from _shape(port.shape, path)
    if port.normalization is not None:
        low, high = (
            (port.normalization.mean, port.normalization.std)
            if isinstance(port.normalization, MeanStd)
            else (port.normalization.low, port.normalization.high)
        )
        yield from _statistics(low, high, path, isinstance(port.normalization, MeanStd))
    ranged = range_problem(port.feature, path, _FIX)
    if ranged is not None:
        yield ranged
    if isinstance(port, ModelOutput):
        return
    if not 0 <= port.history < 2**32:
        yield Problem(path, "a history of 32 bits", str(port.history), _FIX)


def _shape(shape: Sequence[int], path: str) -> Iterator[Problem]:
    if len(shape) > _MAX_DIMENSIONS:
        yield Problem(path, f"at most {_MAX_DIMENSIONS} dimensions", str(len(shape)), _FIX)
    elif any(not 0 <= extent <= _MAX_EXTENT for extent in shape):
        yield Problem(path, "extents from 0 to 2**63 - 1", str(tuple(shape)), _FIX)
    elif math.prod(extent or 1 for extent in shape) > _MAX_EXTENT // 8:
        yield Problem(path, "a shape of at most 2**63 - 1 bytes", str(tuple(shape)), _FIX)


def _statistics(
    first: Sequence[float], second: Sequence[float], path: str, is_mean_std: bool
) -> Iterator[Problem]:
    counts = len(first), len(second)
    if 0 in counts or (counts[0] != counts[1] and 1 not in counts):
        expected = "statistics of one number each, or one an element"
        yield Problem(path, expected, f"{counts[0]} and {counts[1]}", _FIX)
        return
    size = max(counts)
    pairs = zip(*(side * (size if len(side) == 1 else 1) for side in map(tuple, (first, second))))
    if is_mean_std and not all(std > 0 for std in second):
        yield Problem(path, "standard deviations above 0", "others", _FIX)
    elif not is_mean_std and not all(low < high for low, high in pairs):
        yield Problem(path, "low < high in every element", "others", _FIX)
