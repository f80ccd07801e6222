"""How an output of a model becomes a part of an environment's action."""

from __future__ import annotations

from dataclasses import replace

from rlmesh.adapters._arrays import FLOAT32, Numbers
from rlmesh.adapters._fit import Fit, Wanted
from rlmesh.adapters._matching import Matching
from rlmesh.adapters._parts import FeaturePart
from rlmesh.adapters._plans import Output
from rlmesh.adapters._problems import port_path
from rlmesh.adapters._slots import LeafSlot
from rlmesh.adapters._spec import ModelOutput
from rlmesh.adapters._tags import FeatureKind, Reference

__all__ = ["resolve_output"]

_FIX = "correct the environment's tags, or the model's spec"


def resolve_output(port: ModelOutput, matching: Matching) -> Output | None:
    """Return how an output becomes a part of the action; None after a problem.

    Args:
        port: The output.
        matching: The environment's features.
    """
    path = port_path("outputs", port.name)
    if port.offset is not None:
        path += f"[{port.offset}:{port.offset + port.length}]"
    found = matching.acted(port.feature.role, path)
    if found is None:
        return None
    matching.made.append((found, path))
    if found.is_text or port.feature.kind is FeatureKind.TEXT:
        return _text(port, path, found, matching)
    if not matching.holds(path, port.dtype):
        return None
    wanted = Wanted(port.feature, path, port.dtype, port.shape, port.normalization, (), port)
    fit = Fit(found, wanted, matching.problems)
    fit.check_shape(0, False)
    if port.offset is not None and fit.shape != (port.length,):
        matching.report(path, f"{fit.shape} elements of the value", f"{port.length}", _FIX)
    if port.constant and fit.shape != (len(port.constant),):
        actual = f"{len(port.constant)} of them"
        matching.report(path, f"constant numbers of shape {fit.shape}", actual, _FIX)
    if port.relative_to:
        _state(port, path, fit.shape, matching)
    chain = fit.outward(matching.arrays)
    element = matching.arrays.held(port.dtype or chain.work or found.dtype)
    constant = Numbers(port.constant, (len(port.constant),)) if port.constant else None
    return Output(port.name, path, found, fit.shape, element, chain, port.offset, constant)


def _state(port: ModelOutput, path: str, shape: tuple[int, ...], matching: Matching) -> None:
    """Find the observation that an output is relative to, in the output's own numbers."""
    role = port.relative_to
    found = matching.observed(role, path)
    if found is None:
        return
    feature = replace(
        port.feature, kind=FeatureKind.UNSPECIFIED, reference=Reference.UNSPECIFIED, range=None
    )
    fit = Fit(found, Wanted(feature, path, None, port.shape), matching.problems)
    if fit.shape != shape:
        actual = f"shape {fit.shape} at {found.path}"
        matching.report(path, f"a state of shape {shape}", actual, _FIX)
    part = FeaturePart(found, fit.numbers(matching.arrays))
    if matching.states.setdefault(role, part) != part:
        fix = "give both outputs the same form, unit and element names"
        matching.report(path, f"one form of the state {role!r}", "two", fix)


def _text(port: ModelOutput, path: str, slot: LeafSlot, matching: Matching) -> Output | None:
    kinds = (FeatureKind.TEXT, FeatureKind.UNSPECIFIED)
    if slot.is_text and port.feature.kind in kinds and not port.normalization:
        return Output(port.name, path, slot, (), FLOAT32, None)
    actual = f"a {slot.leaf.kind} at {slot.path}"
    matching.report(path, f"kind {port.feature.kind.value}", actual, _FIX)
    return None
