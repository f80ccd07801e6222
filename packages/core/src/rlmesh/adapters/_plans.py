"""How each input is read from an observation, and how each output becomes part of an action."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rlmesh.adapters._arrays import Arrays
from rlmesh.adapters._slots import LeafSlot
from rlmesh.adapters._steps import Chain
from rlmesh.dtypes import DType
from rlmesh.errors import InvalidValueError
from rlmesh.spaces import Space
from rlmesh.spaces._integer import IntegerSpace

__all__ = ["ArrayInput", "CalledInput", "Output", "TextInput", "lane_of", "part_of"]


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


@dataclass(frozen=True)
class ArrayInput:
    """An input that is a feature of the environment.

    Attributes:
        name: Name of the input.
        slot: Position of the feature.
        chain: Conversions from the feature to the input.
        history: Number of observations that are stacked; 0: none.
    """

    name: str
    slot: LeafSlot
    chain: Chain
    history: int

    def read(self, observation: Any, count: int | None, arrays: Arrays) -> Any:
        """Return the input for one observation, or for `count` stacked ones, without history.

        Raises:
            InvalidValueError: If the observation does not belong to its space.
        """
        slot = self.slot
        array = arrays.take(part_of(observation, slot), slot.path, slot.dtype)
        whole = slot.leaf.shape or ()
        shape = whole if count is None else (count, *whole)
        if tuple(array.shape) != shape:
            expected = f"{slot.dtype} of shape {shape}"
            raise InvalidValueError(slot.path, expected, f"shape {tuple(array.shape)}")
        if slot.start is not None:
            array = array[..., slot.start : slot.stop]
        return self.chain(array, arrays)


@dataclass(frozen=True)
class CalledInput:
    """An input that an entry point computes from the observation.

    Attributes:
        name: Name of the input.
        function: The callable, which gets one observation at a time.
        space: The observation space.
        chain: Conversions from the callable's result to the input.
        shape: Extents of the result; None: any.
        dtype: Element type for a result that has none.
        history: Number of observations that are stacked; 0: none.
    """

    name: str
    function: Callable[[Any], Any]
    space: Space[Any]
    chain: Chain
    shape: tuple[int, ...] | None
    dtype: DType
    history: int

    def read(self, observation: Any, count: int | None, arrays: Arrays) -> Any:
        """Return the input for one or `count` observations; see `ArrayInput.read`."""
        if count is None:
            return self._one(observation, arrays)
        lanes = [lane_of(observation, self.space, i) for i in range(count)]
        return arrays.xp.stack([self._one(lane, arrays) for lane in lanes], axis=0)

    def _one(self, observation: Any, arrays: Arrays) -> Any:
        array = arrays.take(self.function(observation), self.chain.path, self.dtype)
        if self.shape is not None and tuple(array.shape) != self.shape:
            actual = f"shape {tuple(array.shape)} from the entry point"
            raise InvalidValueError(self.chain.path, f"shape {self.shape}", actual)
        return self.chain(array, arrays)


@dataclass(frozen=True)
class TextInput:
    """An input that is a string: the episode's instruction, else the environment's text.

    Attributes:
        name: Name of the input.
        path: Path of the input in the spec.
        optional: Whether the model runs without it.
        slot: Position of the environment's text; None: it has none.
    """

    name: str
    path: str
    optional: bool
    slot: LeafSlot | None

    def read(
        self, observation: Any, instructions: Sequence[str | None], *, stacked: bool
    ) -> str | tuple[str, ...] | None:
        """Return the text of each lane, or None if no lane has one.

        Args:
            observation: One observation, or as many stacked ones as there are instructions.
            instructions: The instruction of each lane's episode, if any.
            stacked: Whether observations are stacked.

        Raises:
            InvalidValueError: If the environment's text is not a string.
        """
        own = self._own(observation, len(instructions), stacked)
        texts = [b if a is None else a for a, b in zip(instructions, own)]
        if all(text is None for text in texts):
            return None
        result = tuple(text or "" for text in texts)
        return result if stacked else result[0]

    def _own(self, observation: Any, count: int, stacked: bool) -> Sequence[str | None]:
        if self.slot is None:
            return [None] * count
        value = part_of(observation, self.slot)
        texts = list(value) if stacked and isinstance(value, (list, tuple)) else [value]
        if len(texts) != count or not all(isinstance(text, str) for text in texts):
            expected = f"{count} texts" if stacked else "a text"
            raise InvalidValueError(self.slot.path, expected, f"{value!r:.100}")
        return texts


@dataclass(frozen=True)
class Output:
    """An output that is a part of the environment's action.

    Attributes:
        name: Name of the output.
        path: Path of the output in the spec.
        slot: Position of the output in the action.
        shape: Extents for one action.
        dtype: Element type for numbers that have none.
        chain: Conversions from the output to the part of the action; None: it is a text.
    """

    name: str
    path: str
    slot: LeafSlot
    shape: tuple[int, ...]
    dtype: DType
    chain: Chain | None

    def read(self, value: Any, leading: Sequence[int | None], arrays: Arrays) -> Any:
        """Return the part of the action for one value, or for values stacked along leading axes.

        Args:
            value: The model's output.
            leading: Extents of the axes before the output's own; None: any.
            arrays: Functions of the array library.

        Raises:
            InvalidValueError: If the value has another shape, or numbers that the environment's
                dtype cannot hold.
        """
        if self.chain is None:
            return value
        array = arrays.take(value, self.path, self.dtype)
        shape = tuple(array.shape)
        own = len(leading)
        fits = all(want in (None, got) for want, got in zip(leading, shape))
        if len(shape) != own + len(self.shape) or not fits or shape[own:] != self.shape:
            wanted = ", ".join("any" if n is None else str(n) for n in (*leading, *self.shape))
            raise InvalidValueError(self.path, f"shape ({wanted})", f"shape {shape}")
        return self.chain(array, arrays)
