"""`Adapter` and `Episode`: what stands between an environment's values and a model's."""

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

__all__ = ["Adapter", "Episode", "Plan"]

Input = Union[ArrayInput, CalledInput, TextInput]


@dataclass(frozen=True)
class Plan:
    """What `resolve` has found.

    Attributes:
        inputs: How each input is read; those that are left out are not among them.
        outputs: How each output becomes a part of the action.
        arrays: The arrays' library.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    arrays: Arrays


class Adapter:
    """Makes a model's input of observations, and actions of its output; `resolve` makes it.

    It keeps no state: what belongs to one episode is in an `Episode`, so that one adapter serves
    any number of lanes and sessions. Arrays stay on the device where they are. An array of an
    input may be a view of the observation.

    Args:
        plan: How inputs and outputs are made; None: everything is left as it is.
        action_space: Space of one action.
    """

    def __init__(self, plan: Plan | None, action_space: Space[Any]) -> None:
        self._plan = plan
        self._action_space = action_space

    @property
    def writes_instruction(self) -> bool:
        """Whether the model has a text input that an instruction is written into."""
        return self._plan is not None and any(isinstance(i, TextInput) for i in self._plan.inputs)

    @property
    def is_resolved(self) -> bool:
        """Whether the model's inputs are those of its spec; False: it gets observations as such."""
        return self._plan is not None

    def episode(self, instruction: str | None = None) -> Episode:
        """The state of a new episode in one lane.

        Args:
            instruction: What every text input is for the length of the episode; None: the
                environment's own texts.

        Raises:
            AdapterError: If there is an instruction and no text input, or none and a text input
                that is not optional and that the environment has no text for.
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
            if text.place is None and instruction is None
        ]
        if missing:
            raise AdapterError(missing)
        return Episode(self, instruction)

    def observe(self, observation: Any, episode: Episode) -> Any:
        """The model's input for the next observation of an episode.

        Args:
            observation: A value of the environment's observation space.
            episode: The episode.

        Returns:
            An array (or str) for each input by name; alone where the one input has no name.

        Raises:
            InvalidValueError: If the observation is not one of its space, or has a number that the
                input's dtype does not have.
        """
        return self._observe_as_input(observation, (episode,), None)

    def observe_batch(self, observation: Any, episodes: Sequence[Episode]) -> Any:
        """The model's input for stacked observations, one of each of several episodes.

        Args:
            observation: Values of the observation space, stacked on a new first axis of each leaf.
            episodes: Their episodes, all different, in the same order.

        Returns:
            As `observe`, each array with an axis of the episodes before its own; a tuple for a
            text, whose elements are empty where an optional one is missing.

        Raises:
            InvalidValueError: As `observe`.
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
                told = [episode.instruction for episode in episodes]
                text = plan.read(observation, told, stacked=count is not None)
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
        """The environment's action for what the model returned.

        Args:
            output: An array (or number, or str) for each output by name; alone where the one output
                has no name. Other keys are not looked at.
            batch: Number of actions that are stacked on a new first axis; None: it is one action.

        Returns:
            A value of the action space, its arrays in the backend's library; an int for a Discrete.
            Bounds are not checked, but scaling leads no number out of them that was in its range.

        Raises:
            InvalidValueError: If an output is missing, has another shape, or has a number that the
                leaf's dtype does not have.
        """
        if self._plan is None:
            return output
        try:
            return self._act(output, () if batch is None else (batch,))
        except InvalidValueError as error:
            error.side = "action"
            raise

    def act_chunk(self, output: Any, batch: int | None = None, most: int = 0) -> tuple[Any, int]:
        """The environment's actions for chunks of consecutive actions that the model returned.

        Args:
            output: As for `act`, with an axis of time before the output's own, and one of the lanes
                before that if there are several.
            batch: Number of lanes; None: one, without an axis.
            most: Leave out what comes after that many actions of a chunk; 0: nothing.

        Returns:
            A batch of actions, all of the first lane first, and the length of a chunk.

        Raises:
            InvalidValueError: As `act`; also if chunks are empty or differ in length.
        """
        actions = output
        try:
            if self._plan is not None:
                actions = self._act(output, (None,) if batch is None else (batch, None))
            return join_chunks(actions, self._action_space, batch, most)
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
                # An extent that is not known before is that of the first output.
                leading = tuple(part.shape[: len(leading)])
            leaves.setdefault(plan.place.keys, []).append((plan.place.start or 0, part))
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
    """A value of a space, of the values of its leaves."""
    if space.kind in ("dict", "tuple"):
        parts = {k: _built(c, (*keys, k), leaves, single=single) for k, c in space.children}
        return parts if space.kind == "dict" else tuple(parts.values())
    return int(leaves[keys]) if single and space.kind == "discrete" else leaves[keys]


class Episode:
    """One episode in one lane: its instruction, and the observations that histories need.

    `Adapter.episode` makes it; a new episode needs a new one.

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
        """Another one in the same state; what either observes from now on is its own."""
        other = Episode(self._adapter, self.instruction)
        other._past = {name: past.copy() for name, past in self._past.items()}
        return other

    def observe(self, observation: Any) -> Any:
        """See `Adapter.observe`."""
        return self._adapter.observe(observation, self)

    def act(self, output: Any) -> Any:
        """See `Adapter.act`."""
        return self._adapter.act(output)

    def remember(self, name: str, array: Any, history: int, arrays: Arrays) -> Any:
        """The latest observations of an input, the oldest first; the first one fills the start.

        Args:
            name: Name of the input.
            array: The latest one.
            history: How many.
            arrays: The arrays' library.

        Returns:
            An array of its own with a new first axis of `history`.
        """
        # The environment may write over an array that it has given.
        own = arrays.copy(array)
        past = self._past.setdefault(name, deque([own] * (history - 1), maxlen=history))
        past.append(own)
        return arrays.xp.stack(list(past), axis=0)
