"""Conversions that depend on other values of the episode: signs that go on, and differences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from rlmesh.adapters._arrays import Arrays
from rlmesh.adapters._chain import Lanes, StatefulStep
from rlmesh.adapters._rotations import Form, compose, nearest_sign

__all__ = ["Follow", "Relative"]


@dataclass(frozen=True)
class Follow(StatefulStep):
    """The choice of the equal rotation that is nearest to that of the observation before.

    Attributes:
        key: Name of the value in the episode's memory.
        form: The form of the rotations, a quaternion or an angle about an axis.
    """

    key: str
    form: Form

    def inverse(self) -> Follow:
        """Return the choice itself: an output is not observed."""
        return self

    def apply(self, array: Any, arrays: Arrays, lanes: Lanes) -> Any:
        """Return the rotations, each with the sign or turn nearest to its last one."""
        rows = [array[i] for i in range(len(lanes.memories))] if lanes.stacked else [array]
        key = ("sign", self.key)
        chosen: list[Any] = []
        for row, memory in zip(rows, lanes.memories):
            before = memory.get(key)
            if before is not None:
                row = nearest_sign(row, before, self.form.format, arrays.xp)
            memory[key] = row
            chosen.append(row)
        return arrays.xp.stack(chosen, axis=0) if lanes.stacked else chosen[0]


@dataclass(frozen=True)
class Relative(StatefulStep):
    """The sum of a state and a difference, or the difference of a value from the state.

    Attributes:
        key: Name of the state in the episode's memory, in the model's numbers.
        subtracts: Whether the result is a difference.
        rotation: Form of rotations, which are composed instead of added; None: other numbers.
        local: Whether differences of rotations are in the moving frame.
    """

    key: str
    subtracts: bool
    rotation: Form | None = None
    local: bool = False

    def inverse(self) -> Relative:
        """Return the step that undoes this one."""
        return replace(self, subtracts=not self.subtracts)

    def apply(self, array: Any, arrays: Arrays, lanes: Lanes) -> Any:
        """Return the array, with the last axes of the state, relative to the state."""
        states = [memory["state", self.key] for memory in lanes.memories]
        state = arrays.xp.stack(states, axis=0) if lanes.stacked else states[0]
        # An axis of time, of the actions of a chunk, is between those of lanes and of the state.
        while len(state.shape) < len(array.shape):
            state = state[:, None] if lanes.stacked else state[None]
        state = arrays.cast(state, arrays.element(array, self.key))
        if self.rotation is None:
            return array - state if self.subtracts else array + state
        form = self.rotation
        shape = array.shape
        flat = _flat(array, form), _flat(state, form)
        result = compose(flat[1], flat[0], form, arrays.xp, local=self.local, undo=self.subtracts)
        return result.reshape(shape)


def _flat(array: Any, form: Form) -> Any:
    """Return matrices of (3, 3) as nine numbers."""
    square = form.format.name == "MATRIX" and tuple(array.shape[-2:]) == (3, 3)
    return array.reshape((*array.shape[:-2], 9)) if square else array
