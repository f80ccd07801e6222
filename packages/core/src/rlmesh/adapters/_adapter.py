"""`Adapter` and `Episode`: the conversion between an environment's values and a model's."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from rlmesh._problem import Problem
from rlmesh.adapters._arrays import Arrays
from rlmesh.adapters._chunks import join_chunks
from rlmesh.adapters._plans import ArrayInput, CalledInput, Output, TextInput
from rlmesh.errors import AdapterError, InvalidValueError
from rlmesh.spaces import Space
from rlmesh.spaces._integer import IntegerSpace

__all__ = ["Adapter", "Episode", "Plan"]

Input = Union[ArrayInput, CalledInput, TextInput]


@dataclass(frozen=True)
class Plan:
    """The result of `resolve`.

    Attributes:
        inputs: How each input is read; inputs that are left out are absent.
        outputs: How each output becomes a part of the action.
        arrays: Functions of the array library.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    arrays: Arrays


class Adapter:
    """Converter of observations to a model's input, and of its output to actions; see `resolve`.

    An adapter has no state: the state of an episode is in an `Episode`, so that one adapter serves
    any number of lanes and sessions. Arrays stay on their device. An array of an input may be a
    view of the observation.

    Args:
        plan: How inputs and outputs are made; None: values pass through unchanged.
        action_space: Space of one action.
    """

    def __init__(self, plan: Plan | None, action_space: Space[Any]) -> None:
        self._plan = plan
        self._action_space = action_space

    @property
    def plan(self) -> Plan | None:
        """How inputs and outputs are made; None: values pass through unchanged."""
        return self._plan

    @property
    def writes_instruction(self) -> bool:
        """Whether the model has a text input that an instruction is written into."""
        return self._plan is not None and any(isinstance(i, TextInput) for i in self._plan.inputs)

    @property
    def is_resolved(self) -> bool:
        """Whether the model's inputs are those of its spec; if False, it gets raw observations."""
        return self._plan is not None

    @property
    def histories(self) -> tuple[int, ...]:
        """Number of observations that each input with a history stacks."""
        inputs = () if self._plan is None else self._plan.inputs
        return tuple(i.history for i in inputs if not isinstance(i, TextInput) and i.history)

    def episode(self, instruction: str | None = None) -> Episode:
        """Return the state of a new episode in one lane.

        Args:
            instruction: The value of every text input during the episode; None: the environment's
                own texts.

        Raises:
            AdapterError: If there is an instruction but no text input, or no instruction but a text
                input that is required and for which the environment has no text.
        """
        if instruction is not None and not self.writes_instruction:
            fix = "run it without an instruction"
            expected = "a model with a text input"
            problem = Problem("instruction", expected, "one without", fix)
            raise AdapterError([problem])
        missing = [
            Problem(
                text.path,
                "an instruction, or a text feature of that role in the environment",
                "neither",
                "pass instruction=",
            )
            for text in (self._plan.inputs if self._plan is not None else ())
            if isinstance(text, TextInput) and not text.optional
            if text.slot is None and instruction is None
        ]
        if missing:
            raise AdapterError(missing)
        return Episode(self, instruction)

    def observe(self, observation: Any, episode: Episode) -> Any:
        """Return the model's input for the next observation of an episode.

        Args:
            observation: A value of the environment's observation space.
            episode: The episode.

        Returns:
            An array (or str) for each input by name; the value alone if the one input has no name.

        Raises:
            InvalidValueError: If the observation does not belong to its space, or has a number that
                the input's dtype cannot hold.
        """
        return self._observe_as_input(observation, (episode,), None)

    def observe_batch(self, observation: Any, episodes: Sequence[Episode]) -> Any:
        """Return the model's input for stacked observations, one from each of several episodes.

        Args:
            observation: Values of the observation space, stacked on a new first axis of each leaf.
            episodes: Their episodes, all different, in the same order.

        Returns:
            As for `observe`, each array with a first axis of the episodes; for a text, a tuple in
            which an optional text that is missing is empty.

        Raises:
            InvalidValueError: As for `observe`.
        """
        return self._observe_as_input(observation, episodes, len(episodes))

    def _observe_as_input(
        self, observation: Any, episodes: Sequence[Episode], count: int | None
    ) -> Any:
        try:
            return self._observe(observation, episodes, count)
        except InvalidValueError as error:
            error.side = "observation"
            raise

    def _observe(self, observation: Any, episodes: Sequence[Episode], count: int | None) -> Any:
        if self._plan is None:
            return observation
        arrays = self._plan.arrays
        values: dict[str, Any] = {}
        for plan in self._plan.inputs:
            if isinstance(plan, TextInput):
                instructions = [episode.instruction for episode in episodes]
                text = plan.read(observation, instructions, stacked=count is not None)
                if text is not None:
                    values[plan.name] = text
                continue
            array = plan.read(observation, count, arrays)
            if plan.history:
                rows = [array] if count is None else [array[i] for i in range(count)]
                stacks = [
                    episode.remember(plan.name, row, plan.history, arrays)
                    for episode, row in zip(episodes, rows)
                ]
                array = stacks[0] if count is None else arrays.xp.stack(stacks, axis=0)
            values[plan.name] = array
        return values.get("", values)

    def act(self, output: Any, batch: int | None = None) -> Any:
        """Return the environment's action for the model's output.

        Args:
            output: An array (or number, or str) for each output by name; the value alone if the one
                output has no name. Other keys are ignored.
            batch: Number of actions that are stacked on a new first axis; None: it is one action.

        Returns:
            A value of the action space, its arrays in the backend's library; an int for a Discrete.
            Bounds are not checked, but scaling keeps every number in bounds that was in its range.

        Raises:
            InvalidValueError: If an output is missing, has another shape, or has a number that the
                leaf's dtype cannot hold.
        """
        if self._plan is None:
            return output
        try:
            return self._act(output, () if batch is None else (batch,))
        except InvalidValueError as error:
            error.side = "action"
            raise

    def act_chunk(
        self, output: Any, batch: int | None = None, max_length: int = 0
    ) -> tuple[Any, int]:
        """Return the environment's actions for chunks of consecutive actions from the model.

        Args:
            output: As for `act`, with an axis of time before the output's own axes, and before that
                one of the lanes if there are several.
            batch: Number of lanes; None: one lane, without an axis.
            max_length: Largest number of actions to keep of each chunk; 0: all.

        Returns:
            A batch of actions, all of the first lane first, and the length of a chunk.

        Raises:
            InvalidValueError: As for `act`; also if chunks are empty or differ in length.
        """
        actions = output
        try:
            if self._plan is not None:
                actions = self._act(output, (None,) if batch is None else (batch, None))
            return join_chunks(actions, self._action_space, batch, max_length)
        except InvalidValueError as error:
            error.side = "action"
            raise

    def _act(self, output: Any, leading: tuple[int | None, ...]) -> Any:
        assert self._plan is not None
        arrays = self._plan.arrays
        leaves: dict[tuple[str | int, ...], list[tuple[int, Any]]] = {}
        for plan in self._plan.outputs:
            part = plan.read(_named(output, plan), leading, arrays)
            if plan.chain is not None:
                # The first output determines the extents that are not known yet.
                leading = tuple(part.shape[: len(leading)])
            leaves.setdefault(plan.slot.keys, []).append((plan.slot.start or 0, part))
        joined = {
            keys: parts[0][1] if len(parts) == 1 else _joined(parts, arrays)
            for keys, parts in leaves.items()
        }
        return _built(self._action_space, (), joined, single=not leading)


def _named(output: Any, plan: Output) -> Any:
    if plan.name == "":
        return output
    if not isinstance(output, Mapping):
        raise InvalidValueError(plan.path, "a mapping of outputs", f"a {type(output).__name__}")
    if plan.name not in output:
        actual = f"only {', '.join(map(repr, output)) or 'nothing'}"
        raise InvalidValueError(plan.path, f"an output {plan.name!r}", actual)
    return output[plan.name]


def _joined(parts: list[tuple[int, Any]], arrays: Arrays) -> Any:
    parts.sort(key=lambda part: part[0])
    return arrays.xp.concatenate([part for _, part in parts], axis=-1)


def _built(
    space: Space[Any], keys: tuple[str | int, ...], leaves: Mapping[Any, Any], *, single: bool
) -> Any:
    """Return a value of a space, built from the values of its leaves."""
    if space.kind in ("dict", "tuple"):
        parts = {k: _built(c, (*keys, k), leaves, single=single) for k, c in space.children}
        return parts if space.kind == "dict" else tuple(parts.values())
    return int(leaves[keys]) if single and isinstance(space, IntegerSpace) else leaves[keys]


class Episode:
    """One episode in one lane: its instruction, and the observations that histories need.

    `Adapter.episode` makes it; each new episode needs a new one.

    Attributes:
        instruction: The instruction; None: the environment's own texts.

    Args:
        adapter: The adapter.
        instruction: The instruction.
    """

    def __init__(self, adapter: Adapter, instruction: str | None) -> None:
        self._adapter = adapter
        self.instruction = instruction
        self._past: dict[str, deque[Any]] = {}

    def fork(self) -> Episode:
        """Return a copy in the same state; its later observations are independent."""
        other = Episode(self._adapter, self.instruction)
        other._past = {name: past.copy() for name, past in self._past.items()}
        return other

    def observe(self, observation: Any) -> Any:
        """Return the model's input for an observation; see `Adapter.observe`."""
        return self._adapter.observe(observation, self)

    def act(self, output: Any) -> Any:
        """Return the action for the model's output; see `Adapter.act`."""
        return self._adapter.act(output)

    def remember(self, name: str, array: Any, history: int, arrays: Arrays) -> Any:
        """Return the latest observations of an input, oldest first, padded with the first one.

        Args:
            name: Name of the input.
            array: The latest observation.
            history: Number of observations to return.
            arrays: Functions of the array library.

        Returns:
            A new array with a new first axis of `history`.
        """
        # The environment may overwrite an array that it returned earlier.
        own = arrays.copy(array)
        past = self._past.setdefault(name, deque([own] * (history - 1), maxlen=history))
        past.append(own)
        return arrays.xp.stack(list(past), axis=0)
