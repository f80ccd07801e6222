"""What inputs are read from: features of an observation, constants, earlier outputs, histories."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Union

from rlmesh.adapters._arrays import Arrays, Numbers
from rlmesh.adapters._chain import Chain, Lanes
from rlmesh.adapters._slots import LeafSlot
from rlmesh.errors import InvalidValueError
from rlmesh.spaces import Space
from rlmesh.spaces._integer import IntegerSpace

__all__ = [
    "ConstantPart",
    "FeaturePart",
    "History",
    "Part",
    "PreviousPart",
    "lane_of",
    "part_of",
    "previous_key",
    "with_history",
]


def part_of(value: Any, slot: LeafSlot) -> Any:
    """Return the leaf at a place of an observation.

    Raises:
        InvalidValueError: If the observation lacks a key of its space.
    """
    try:
        for key in slot.keys:
            value = value[key]
    except (KeyError, IndexError, TypeError) as error:
        actual = f"{type(error).__name__}: {error}"
        raise InvalidValueError(slot.path, "a value of the observation space", actual) from None
    return value


def lane_of(value: Any, space: Space[Any], lane: int) -> Any:
    """Return one of the stacked values of a space."""
    if space.kind == "dict":
        return {key: lane_of(value[key], child, lane) for key, child in space.children}
    if space.kind == "tuple":
        return tuple(lane_of(value[i], child, lane) for i, (_, child) in enumerate(space.children))
    return int(value[lane]) if isinstance(space, IntegerSpace) else value[lane]


def previous_key(name: str) -> tuple[str, str]:
    """Return the key, in an episode's memory, of what the model returned under a name."""
    return ("output", name)


@dataclass(frozen=True)
class History:
    """The earlier observations that an input has beside the latest one.

    Attributes:
        key: Name of the input in the episode's memory.
        count: Number of observations.
        stride: Number of steps between them.
        zeros: Whether zeros stand before the first observation, instead of itself.
        axis: Axis, counted from the end, on which they are joined; None: a new first one.
    """

    key: str
    count: int
    stride: int = 1
    zeros: bool = False
    axis: int | None = None

    @property
    def observations(self) -> int:
        """Number of the latest observations that it spans."""
        return (self.count - 1) * self.stride + 1

    def of_lanes(self, array: Any, lanes: Lanes, arrays: Arrays) -> Any:
        """Return the observations of each lane, the oldest first, and remember the latest one."""
        if not lanes.stacked:
            return self._of_one(array, lanes.memories[0], arrays)
        rows = [self._of_one(array[i], memory, arrays) for i, memory in enumerate(lanes.memories)]
        return arrays.xp.stack(rows, axis=0)

    def _of_one(self, array: Any, memory: dict[Any, Any], arrays: Arrays) -> Any:
        # The environment may overwrite an array that it returned earlier.
        own = arrays.copy(array)
        past = memory.get(("history", self.key))
        if past is None:
            first = arrays.xp.zeros_like(own) if self.zeros else own
            past = deque([first] * (self.observations - 1), maxlen=self.observations)
            memory["history", self.key] = past
        past.append(own)
        chosen = list(past)[:: self.stride]
        if self.axis is None:
            return arrays.xp.stack(chosen, axis=0)
        return arrays.xp.concatenate(chosen, axis=self.axis)


@dataclass(frozen=True)
class FeaturePart:
    """A feature of the environment, converted.

    Attributes:
        slot: Position of the feature.
        chain: Conversions from the feature.
        start: First element of the last axis that is used, after conversion; None: all are.
        stop: End of the elements, if `start` is set.
    """

    slot: LeafSlot
    chain: Chain
    start: int | None = None
    stop: int = 0

    def read(self, observation: Any, lanes: Lanes, arrays: Arrays) -> Any:
        """Return the converted feature of one observation, or of one from each lane.

        Raises:
            InvalidValueError: If the observation does not belong to its space.
        """
        slot = self.slot
        array = arrays.take(part_of(observation, slot), slot.path, slot.dtype)
        whole = slot.leaf.shape or ()
        shape = (len(lanes.memories), *whole) if lanes.stacked else whole
        if tuple(array.shape) != shape:
            expected = f"{slot.dtype} of shape {shape}"
            raise InvalidValueError(slot.path, expected, f"shape {tuple(array.shape)}")
        array = self.chain(slot.cut(array), arrays, lanes)
        return array if self.start is None else array[..., self.start : self.stop]


@dataclass(frozen=True)
class ConstantPart:
    """Constant numbers."""

    numbers: Numbers


@dataclass(frozen=True)
class PreviousPart:
    """The model's own output for the step before; zeros for an episode's first step.

    Attributes:
        name: Name of the output.
        start: First element that is used.
        stop: End of the elements.
        size: Number of elements of the output.
        chain: Scaling of the numbers.
    """

    name: str
    start: int
    stop: int
    size: int
    chain: Chain


Part = Union[FeaturePart, ConstantPart, PreviousPart]


def with_history(
    shape: tuple[int, ...], history: int, joined: bool, channel_axis: int
) -> tuple[int, ...]:
    """Return extents with those of a history: on a new first axis, or joined with another one.

    Args:
        shape: Extents of one observation.
        history: Number of observations; 0: there is no history.
        joined: Whether observations are joined on the axis of the channels, or on the last axis.
        channel_axis: Axis of the channels, counted from the end; 0: there are none.
    """
    if not history:
        return shape
    if not joined or not shape:
        return (history, *shape)
    axis = len(shape) + (channel_axis or -1)
    return (*shape[:axis], shape[axis] * history, *shape[axis + 1 :])
