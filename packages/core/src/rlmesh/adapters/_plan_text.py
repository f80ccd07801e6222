"""`plan_text`: what an adapter does, as text that is the same in every process."""

from __future__ import annotations

from collections.abc import Iterator

from rlmesh._printable import escape_control_chars
from rlmesh.adapters._adapter import Adapter, Input
from rlmesh.adapters._chain import Chain
from rlmesh.adapters._parts import ConstantPart, FeaturePart, History, Part
from rlmesh.adapters._plans import ArrayInput, JoinedInput, TextInput
from rlmesh.adapters._transforms import TextTransform

__all__ = ["plan_text"]


def plan_text(adapter: Adapter) -> str:
    """Return one line for each input and output of an adapter; empty if it converts nothing.

    A line names the source, the conversions in order with all their numbers, and the element type
    of the result. Equal texts mean equal conversions, except for what an entry point does.
    """
    plan = adapter.plan
    if plan is None:
        return ""
    lines = [_input_line(one) for one in plan.inputs]
    for output in plan.outputs:
        steps = () if output.chain is None else _steps(output.chain)
        source = output.path
        if output.constant is not None:
            source = repr(list(output.constant.values))
        lines.append(" -> ".join((source, *steps, output.slot.path)))
    lines += [f"{_feature_text(part)} -> state {role!r}" for role, part in plan.states]
    # A name of a peer must not end a line, and begin one that is not there.
    return "\n".join(map(escape_control_chars, lines))


def _input_line(one: Input) -> str:
    if isinstance(one, TextInput):
        source = "instruction" if one.slot is None else f"instruction, else {one.slot.path}"
        written = () if one.transform == TextTransform() else (repr(one.transform),)
        return " -> ".join((source, *written, one.path))
    if isinstance(one, ArrayInput):
        sources = [_feature_text(one.feature)]
        chain: tuple[str, ...] = ()
    elif isinstance(one, JoinedInput):
        sources = [_part_text(part) for part in one.parts]
        chain = tuple(_steps(one.chain))
    else:
        name = getattr(one.function, "__qualname__", type(one.function).__qualname__)
        given = [f"{role}={_feature_text(part)}" for role, part in one.features] or ["observation"]
        sources = [f"{one.function.__module__}:{name}({', '.join(given)})"]
        chain = tuple(_steps(one.chain))
    history = () if one.history is None else (_history_text(one.history),)
    source = sources[0] if len(sources) == 1 else f"[{', '.join(sources)}]"
    return " -> ".join((source, *chain, *history, one.path))


def _history_text(history: History) -> str:
    text = f"history of {history.count}"
    if history.stride != 1:
        text += f", {history.stride} steps apart"
    if history.axis is not None:
        text += f", joined on axis {history.axis}"
    return text + (", zeros first" if history.zeros else "")


def _part_text(part: Part) -> str:
    if isinstance(part, FeaturePart):
        return _feature_text(part)
    if isinstance(part, ConstantPart):
        return repr(list(part.numbers.values))
    return " -> ".join((f"previous {part.name}[{part.start}:{part.stop}]", *_steps(part.chain)))


def _feature_text(part: FeaturePart) -> str:
    elements = () if part.start is None else (f"elements {part.start} to {part.stop - 1}",)
    return " -> ".join((part.slot.path, *_steps(part.chain), *elements))


def _steps(chain: Chain) -> Iterator[str]:
    yield from map(repr, chain.before)
    if chain.work is not None:
        yield f"as {chain.work}"
    for step in chain.steps:
        yield repr(step)
    if chain.rounds:
        yield "rounded"
    if chain.target is not None:
        yield f"as {chain.target}"
