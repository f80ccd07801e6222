"""Checks that outputs make every element of an action exactly once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rlmesh._problem import Problem
from rlmesh.adapters._slots import LeafSlot, leaves_of
from rlmesh.spaces import Space, path_text

__all__ = ["coverage_problems"]

Made = tuple[LeafSlot, str]
"""The type of an output's place in the action, and its path in the spec."""


def coverage_problems(space: Space[Any], made: Sequence[Made]) -> Iterator[Problem]:
    """Yield a problem for each part of an action space that no output makes, or several make.

    Args:
        space: The action space.
        made: The outputs.
    """
    for keys, leaf in leaves_of(space):
        path = f"action{path_text(keys)}"
        if leaf.kind in ("one_of", "sequence", "graph"):
            fix = "use a model with DELEGATED, which makes actions itself"
            yield Problem(path, "a Dict, a Tuple or a leaf", f"a {leaf.kind}", fix)
        else:
            own = [(slot, port) for slot, port in made if slot.keys == keys]
            yield from _leaf_problems(path, leaf, own)


def _leaf_problems(path: str, leaf: Space[Any], made: Sequence[Made]) -> Iterator[Problem]:
    extent = (leaf.shape or (1,))[-1]
    spans = sorted(
        (0, extent, port) if slot.start is None else (slot.start, slot.stop, port)
        for slot, port in made
    )
    reached = 0
    for start, stop, port in spans:
        if start > reached:
            yield _gap(path, reached, start)
        elif start < reached:
            fix = "leave one of the outputs out of the spec"
            yield Problem(path, f"one output for element {start}", f"also {port}", fix)
        reached = max(reached, stop)
    if not spans:
        yield Problem(path, "an output that makes it", "none", _FIX)
    elif reached < extent:
        yield _gap(path, reached, extent)


_FIX = "tag it, and give the spec an output with the role of the tag"


def _gap(path: str, start: int, stop: int) -> Problem:
    return Problem(path, f"outputs for elements {start} to {stop - 1}", "none", _FIX)
