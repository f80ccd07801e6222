"""`plan_text`: what an adapter does, as text that is the same in every process."""

from __future__ import annotations

from collections.abc import Iterator

from rlmesh.adapters._adapter import Adapter
from rlmesh.adapters._plans import ArrayInput, CalledInput, TextInput
from rlmesh.adapters._steps import Chain

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
        lines.append(" -> ".join((output.path, *steps, output.slot.path)))
    return "\n".join(lines)


def _input_line(one: ArrayInput | CalledInput | TextInput) -> str:
    if isinstance(one, TextInput):
        source = "instruction" if one.slot is None else f"instruction, else {one.slot.path}"
        return f"{source} -> {one.path}"
    if isinstance(one, ArrayInput):
        source = one.slot.path
    else:
        function = one.function
        name = getattr(function, "__qualname__", type(function).__qualname__)
        source = f"{function.__module__}:{name}(observation)"
    history = (f"history of {one.history}",) if one.history else ()
    return " -> ".join((source, *_steps(one.chain), *history, one.chain.path))


def _steps(chain: Chain) -> Iterator[str]:
    if chain.work is not None:
        yield f"as {chain.work}"
    for step in chain.steps:
        yield repr(step)
    if chain.rounds:
        yield "rounded"
    if chain.target is not None:
        yield f"as {chain.target}"
