"""`plan_of`: the conversions of an adapter as a `Plan`, which is plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Union

from rlmesh.adapters._advice import Advisory
from rlmesh.adapters._arrays import Numbers
from rlmesh.adapters._chain import Chain
from rlmesh.adapters._parts import ConstantPart, FeaturePart, History, Part
from rlmesh.adapters._plan import Parameter, Plan, PlanEntry, PlanStep
from rlmesh.adapters._plans import ArrayInput, CalledInput, JoinedInput, Output, TextInput
from rlmesh.adapters._problems import port_path
from rlmesh.adapters._transforms import TextTransform
from rlmesh.dtypes import DType

__all__ = ["plan_of", "plan_step"]


def plan_of(
    inputs: Sequence[Any],
    outputs: Sequence[Output],
    states: Sequence[tuple[str, FeaturePart]],
    advisories: tuple[Advisory, ...],
) -> Plan:
    """Return what inputs, outputs and states do, as plain data."""
    return Plan(
        tuple(map(_input, inputs)),
        tuple(map(_output, outputs)),
        tuple(_part(part, f"state {role!r}") for role, part in states),
        advisories,
    )


def plan_step(step: Any) -> PlanStep:
    """Return a conversion, or a part of one, as plain data: its fields are the parameters."""
    name = type(step).__name__
    kind = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).removeprefix("_")
    own = [field.name for field in fields(step) if field.compare]
    return PlanStep(kind, tuple((name, _parameter(getattr(step, name))) for name in own))


def _parameter(value: Any) -> Parameter:
    if isinstance(value, Numbers):
        return _nested(value.values, value.shape)
    if isinstance(value, Enum):
        return _parameter(value.value)
    if isinstance(value, DType):
        return value.name
    if is_dataclass(value):
        return plan_step(value)
    if isinstance(value, tuple):
        return tuple(map(_parameter, value))
    plain: Parameter = value
    return plain


def _nested(values: tuple[float, ...], shape: tuple[int, ...]) -> Union[float, tuple[Any, ...]]:
    """Return numbers in C order as nested tuples of a shape."""
    if not shape:
        return values[0]
    size = len(values) // shape[0] if shape[0] else 0
    rows = (values[i * size : (i + 1) * size] for i in range(shape[0]))
    return tuple(_nested(row, shape[1:]) for row in rows)


def _steps(chain: Chain) -> Iterator[PlanStep]:
    yield from map(plan_step, chain.before)
    if chain.work is not None:
        yield PlanStep("calculate_in", (("dtype", chain.work.name),))
    yield from map(plan_step, chain.steps)
    if chain.rounds:
        yield PlanStep("round")
    if chain.target is not None:
        yield PlanStep("cast", (("dtype", chain.target.name),))


def _slice(start: int, stop: int) -> PlanStep:
    return PlanStep("slice", (("start", start), ("stop", stop)))


def _constant(numbers: Numbers) -> PlanStep:
    return PlanStep("constant", (("numbers", tuple(numbers.values)),))


def _history(history: History | None) -> tuple[PlanStep, ...]:
    if history is None:
        return ()
    names = ("count", "stride", "zeros", "axis")
    return (PlanStep("history", tuple((name, getattr(history, name)) for name in names)),)


def _input(one: Union[ArrayInput, CalledInput, JoinedInput, TextInput]) -> PlanEntry:
    if isinstance(one, TextInput):
        source = "instruction" if one.slot is None else f"instruction, else {one.slot.path}"
        transform = one.transform
        written = () if transform == TextTransform() else (_text(transform),)
        return PlanEntry(source, written, one.path)
    after = _history(one.history)
    if isinstance(one, ArrayInput):
        part = _part(one.feature, "")
        return PlanEntry(part.source, (*part.steps, *after), one.path)
    steps = (*_steps(one.chain), *after)
    if isinstance(one, JoinedInput):
        parts = tuple(_part(part, "") for part in one.parts)
        return PlanEntry("parts", steps, one.path, parts)
    name = getattr(one.function, "__qualname__", type(one.function).__qualname__)
    given = tuple(_part(part, role) for role, part in one.features)
    call = PlanStep("call", (("function", f"{one.function.__module__}:{name}"),))
    return PlanEntry("parts" if given else "observation", (call, *steps), one.path, given)


def _text(transform: TextTransform) -> PlanStep:
    names = ("default", "template", "lower")
    return PlanStep("text", tuple((name, getattr(transform, name)) for name in names))


def _part(part: Part, target: str) -> PlanEntry:
    if isinstance(part, ConstantPart):
        return PlanEntry("constant", (_constant(part.numbers),), target)
    if isinstance(part, FeaturePart):
        cut = () if part.start is None else (_slice(part.start, part.stop),)
        return PlanEntry(part.slot.path, (*_steps(part.chain), *cut), target)
    source = f"{port_path('outputs', part.name)} of the step before"
    return PlanEntry(source, (_slice(part.start, part.stop), *_steps(part.chain)), target)


def _output(one: Output) -> PlanEntry:
    steps = () if one.chain is None else tuple(_steps(one.chain))
    if one.constant is not None:
        return PlanEntry("constant", (_constant(one.constant), *steps), one.slot.path)
    return PlanEntry(one.path, steps, one.slot.path)
