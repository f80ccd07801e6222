"""How each input is read from an observation, and how each output becomes part of an action."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlmesh.adapters._arrays import Arrays, Numbers
from rlmesh.adapters._chain import Chain, Lanes
from rlmesh.adapters._parts import (
    ConstantPart,
    FeaturePart,
    History,
    Part,
    PreviousPart,
    lane_of,
    part_of,
    previous_key,
)
from rlmesh.adapters._slots import LeafSlot
from rlmesh.adapters._transforms import TextTransform
from rlmesh.dtypes import DType
from rlmesh.errors import InvalidValueError
from rlmesh.spaces import Space

__all__ = ["ArrayInput", "CalledInput", "JoinedInput", "Output", "TextInput", "feature_parts"]


_PLAIN = TextTransform()


@dataclass(frozen=True)
class ArrayInput:
    """An input that is a feature of the environment.

    Attributes:
        name: Name of the input.
        feature: The feature.
        history: Earlier observations; None: there are none.
    """

    name: str
    feature: FeaturePart
    history: History | None

    @property
    def path(self) -> str:
        """Path of the input in the spec."""
        return self.feature.chain.path

    def read(self, observation: Any, lanes: Lanes, arrays: Arrays) -> Any:
        """Return the input for one observation, or for one from each lane.

        Raises:
            InvalidValueError: If the observation does not belong to its space.
        """
        array = self.feature.read(observation, lanes, arrays)
        return array if self.history is None else self.history.of_lanes(array, lanes, arrays)


@dataclass(frozen=True)
class JoinedInput:
    """An input that joins features, constants and earlier outputs to one vector.

    Attributes:
        name: Name of the input.
        parts: The parts, in order.
        work: Element type of the parts.
        chain: Conversions of the vector.
        history: Earlier observations; None: there are none.
    """

    name: str
    parts: tuple[Part, ...]
    work: DType
    chain: Chain
    history: History | None

    @property
    def path(self) -> str:
        """Path of the input in the spec."""
        return self.chain.path

    def read(self, observation: Any, lanes: Lanes, arrays: Arrays) -> Any:
        """Return the input for one observation, or for one from each lane.

        Raises:
            InvalidValueError: If the observation does not belong to its space.
        """
        batch = (len(lanes.memories),) if lanes.stacked else ()
        features = [
            part.read(observation, lanes, arrays) if isinstance(part, FeaturePart) else None
            for part in self.parts
        ]
        like = next((array for array in features if array is not None), None)
        like = arrays.zeros(self.work, (1,)) if like is None else arrays.cast(like, self.work)
        flat = [
            self._flat(part, array, batch, lanes, like, arrays)
            for part, array in zip(self.parts, features)
        ]
        vector = flat[0] if len(flat) == 1 else arrays.xp.concatenate(flat, axis=-1)
        array = self.chain(vector, arrays, lanes)
        return array if self.history is None else self.history.of_lanes(array, lanes, arrays)

    def _flat(
        self,
        part: Part,
        array: Any,
        batch: tuple[int, ...],
        lanes: Lanes,
        like: Any,
        arrays: Arrays,
    ) -> Any:
        """Return a part as one axis, after that of the lanes."""
        if isinstance(part, ConstantPart):
            numbers = arrays.constant(part.numbers, like)
            return arrays.xp.broadcast_to(numbers, (*batch, len(part.numbers.values)))
        if isinstance(part, PreviousPart):
            rows = [self._previous(part, memory, like, arrays) for memory in lanes.memories]
            array = arrays.xp.stack(rows, axis=0) if lanes.stacked else rows[0]
            array = part.chain(array, arrays)
        return arrays.cast(array, self.work).reshape((*batch, -1))

    def _previous(
        self, part: PreviousPart, memory: Mapping[Any, Any], like: Any, arrays: Arrays
    ) -> Any:
        found = memory.get(previous_key(part.name))
        if found is None:
            zero = arrays.xp.zeros_like(like.reshape((-1,))[:1])
            return arrays.xp.broadcast_to(zero, (part.stop - part.start,))
        found = arrays.cast(found, self.work).reshape((-1,))
        return found[part.start : part.stop]


@dataclass(frozen=True)
class CalledInput:
    """An input that an entry point computes from the observation, or from declared features.

    Attributes:
        name: Name of the input.
        function: The callable, which gets one observation, or one mapping of features, at a time.
        features: The features by their roles; empty: the callable gets the observation.
        space: The observation space.
        chain: Conversions from the callable's result to the input.
        shape: Extents of the result; None: any.
        dtype: Element type for a result that has none.
        history: Earlier observations; None: there are none.
    """

    name: str
    function: Callable[[Any], Any]
    features: tuple[tuple[str, FeaturePart], ...]
    space: Space[Any]
    chain: Chain
    shape: tuple[int, ...] | None
    dtype: DType
    history: History | None

    @property
    def path(self) -> str:
        """Path of the input in the spec."""
        return self.chain.path

    def read(self, observation: Any, lanes: Lanes, arrays: Arrays) -> Any:
        """Return the input for one observation, or for one from each lane."""
        count = len(lanes.memories) if lanes.stacked else None
        if self.features:
            found = {role: part.read(observation, lanes, arrays) for role, part in self.features}
            given: list[Any] = (
                [found]
                if count is None
                else [{role: rows[i] for role, rows in found.items()} for i in range(count)]
            )
        elif count is None:
            given = [observation]
        else:
            given = [lane_of(observation, self.space, i) for i in range(count)]
        results = [self._one(value, arrays) for value in given]
        array = results[0] if count is None else arrays.xp.stack(results, axis=0)
        return array if self.history is None else self.history.of_lanes(array, lanes, arrays)

    def _one(self, value: Any, arrays: Arrays) -> Any:
        array = arrays.take(self.function(value), self.chain.path, self.dtype)
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
        transform: The way in which the text is written.
    """

    name: str
    path: str
    optional: bool
    slot: LeafSlot | None
    transform: TextTransform = _PLAIN

    @property
    def needs_instruction(self) -> bool:
        """Whether an episode without an instruction has no text that the model could run with."""
        return not self.optional and self.slot is None and self.transform.default is None

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
        default = self.transform.default
        texts = [
            default if text is None else text
            for text in (b if a is None else a for a, b in zip(instructions, own))
        ]
        if all(text is None for text in texts):
            return None
        result = tuple("" if text is None else self._written(text) for text in texts)
        return result if stacked else result[0]

    def _written(self, text: str) -> str:
        text = text.lower() if self.transform.lower else text
        template = self.transform.template
        return template.replace("{text}", text) if template else text

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
        start: First element of the last axis of the value of this name; None: the whole value.
        constant: The numbers, which the model does not return; None: it returns them.
    """

    name: str
    path: str
    slot: LeafSlot
    shape: tuple[int, ...]
    dtype: DType
    chain: Chain | None
    start: int | None = None
    constant: Numbers | None = None

    def read(
        self, value: Any, leading: Sequence[int | None], arrays: Arrays, lanes: Lanes | None
    ) -> Any:
        """Return the part of the action for one value, or for values stacked along leading axes.

        Args:
            value: The model's output, the whole value of its name.
            leading: Extents of the axes before the output's own; None: any.
            arrays: Functions of the array library.
            lanes: The episodes that the action is for, if a conversion depends on them.

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
        wanted = self.shape
        if self.start is not None and len(shape) > own:
            # Of a value that outputs split, only the elements of this output are looked at.
            wanted = (max(self.start + self.shape[-1], shape[-1]),)
        if len(shape) != own + len(self.shape) or not fits or shape[own:] != wanted:
            extents = ", ".join("any" if n is None else str(n) for n in (*leading, *wanted))
            raise InvalidValueError(self.path, f"shape ({extents})", f"shape {shape}")
        if self.start is not None:
            array = array[..., self.start : self.start + self.shape[-1]]
        return self.chain(array, arrays, lanes)

    def made(self, leading: Sequence[int], arrays: Arrays, lanes: Lanes | None) -> Any:
        """Return the part of the action of a constant, repeated along leading axes."""
        assert self.chain is not None and self.constant is not None
        like = arrays.zeros(self.chain.work or self.dtype, (1,))
        array = arrays.constant(self.constant, like)
        return self.chain(arrays.xp.broadcast_to(array, (*leading, *self.shape)), arrays, lanes)


def feature_parts(one: object) -> Iterator[FeaturePart]:
    """Yield the features of the environment that an input of a plan is read from."""
    if isinstance(one, ArrayInput):
        yield one.feature
    elif isinstance(one, JoinedInput):
        yield from (part for part in one.parts if isinstance(part, FeaturePart))
    elif isinstance(one, CalledInput):
        yield from (part for _, part in one.features)
