"""`Adapter` and `Episode`: the conversion between an environment's values and a model's."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Union

from rlmesh._problem import Problem
from rlmesh.adapters._advice import Advisory
from rlmesh.adapters._arrays import Arrays
from rlmesh.adapters._chain import Lanes
from rlmesh.adapters._chunks import join_chunks
from rlmesh.adapters._explain import Explanation, explanation_of
from rlmesh.adapters._parts import FeaturePart, previous_key
from rlmesh.adapters._plan import Plan
from rlmesh.adapters._plan_of import plan_of
from rlmesh.adapters._plans import ArrayInput, CalledInput, JoinedInput, Output, TextInput
from rlmesh.errors import AdapterError, InvalidValueError
from rlmesh.spaces import Space
from rlmesh.spaces._integer import IntegerSpace

__all__ = ["Adapter", "Conversions", "Episode", "Input"]

Input = Union[ArrayInput, CalledInput, JoinedInput, TextInput]


@dataclass(frozen=True)
class Conversions:
    """The result of `resolve`.

    Attributes:
        inputs: How each input is read; inputs that are left out are absent.
        outputs: How each output becomes a part of the action.
        arrays: Functions of the array library.
        states: Features that actions are relative to, by their roles.
        previous: Names of the outputs that inputs read at the next step.
        advisories: What is substituted, dropped, filled or assumed.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    arrays: Arrays
    states: tuple[tuple[str, FeaturePart], ...] = ()
    previous: frozenset[str] = frozenset()
    advisories: tuple[Advisory, ...] = ()

    @cached_property
    def constants_last(self) -> tuple[Output, ...]:
        """The outputs, constants last: their extents are those of the others."""
        return tuple(sorted(self.outputs, key=lambda one: one.constant is not None))


class Adapter:
    """Converter of observations to a model's input, and of its output to actions; see `resolve`.

    An adapter has no state: the state of an episode is in an `Episode`, so that one adapter serves
    any number of lanes and sessions. Arrays stay on their device. An array of an input may be a
    view of the observation.

    Args:
        conversions: How inputs and outputs are made; None: values pass through unchanged.
        action_space: Space of one action.
    """

    def __init__(self, conversions: Conversions | None, action_space: Space[Any]) -> None:
        self._conversions = conversions
        self._action_space = action_space

    @cached_property
    def plan(self) -> Plan | None:
        """What the adapter does, as plain data; None: values pass through unchanged."""
        made = self._conversions
        if made is None:
            return None
        return plan_of(made.inputs, made.outputs, made.states, made.advisories)

    @property
    def advisories(self) -> tuple[Advisory, ...]:
        """What is substituted, dropped, filled or assumed."""
        return () if self._conversions is None else self._conversions.advisories

    def explain(self) -> Explanation:
        """Return what the adapter does, as a table: `print(adapter.explain())`."""
        return explanation_of(self.plan)

    def __repr__(self) -> str:
        if self._conversions is None:
            return "Adapter(unchanged)"
        counts = (
            len(self._conversions.inputs),
            len(self._conversions.outputs),
            len(self._conversions.advisories),
        )
        return "Adapter({} inputs, {} outputs, {} advisories)".format(*counts)

    @property
    def writes_instruction(self) -> bool:
        """Whether the model has a text input that an instruction is written into."""
        return self._conversions is not None and any(
            isinstance(i, TextInput) for i in self._conversions.inputs
        )

    @property
    def is_resolved(self) -> bool:
        """Whether the model's inputs are those of its spec; if False, it gets raw observations."""
        return self._conversions is not None

    @property
    def histories(self) -> tuple[int, ...]:
        """Number of the latest observations that the history of each input with one spans."""
        inputs = () if self._conversions is None else self._conversions.inputs
        found = (i.history for i in inputs if not isinstance(i, TextInput))
        return tuple(history.observations for history in found if history is not None)

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
            for text in (self._conversions.inputs if self._conversions is not None else ())
            if isinstance(text, TextInput) and text.needs_instruction and instruction is None
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
        if self._conversions is None:
            return observation
        made = self._conversions
        for episode in episodes:
            episode.recall(made)
        lanes = Lanes([episode.memory for episode in episodes], count is not None)
        values: dict[str, Any] = {}
        for one in made.inputs:
            if isinstance(one, TextInput):
                instructions = [episode.instruction for episode in episodes]
                value = one.read(observation, instructions, stacked=lanes.stacked)
                if value is None:
                    continue
            else:
                value = one.read(observation, lanes, made.arrays)
            values[one.name] = value
        for role, state in made.states:
            array = state.read(observation, lanes, made.arrays)
            rows = [array[i] for i in range(count)] if count is not None else [array]
            for memory, row in zip(lanes.memories, rows):
                memory["state", role] = row
        return values.get("", values)

    def act(
        self, output: Any, batch: int | None = None, *, episodes: Sequence[Episode] | None = None
    ) -> Any:
        """Return the environment's action for the model's output.

        Args:
            output: An array (or number, or str) for each output by name; the value alone if the one
                output has no name. Other keys are ignored.
            batch: Number of actions that are stacked on a new first axis; None: it is one action.
            episodes: The episodes that the actions are for, each after its `observe`; needed if an
                output is relative to a state, or an input reads an earlier output.

        Returns:
            A value of the action space, its arrays in the backend's library; an int for a Discrete.
            Bounds are not checked, but scaling keeps every number in bounds that was in its range.

        Raises:
            InvalidValueError: If an output is missing, has another shape, or has a number that the
                leaf's dtype cannot hold.
        """
        if self._conversions is None:
            return output
        try:
            return self._act(output, () if batch is None else (batch,), episodes)
        except InvalidValueError as error:
            error.side = "action"
            raise

    def act_chunk(
        self,
        output: Any,
        batch: int | None = None,
        max_length: int = 0,
        *,
        episodes: Sequence[Episode] | None = None,
    ) -> tuple[Any, int]:
        """Return the environment's actions for chunks of consecutive actions from the model.

        Args:
            output: As for `act`, with an axis of time before the output's own axes, and before that
                one of the lanes if there are several.
            batch: Number of lanes; None: one lane, without an axis.
            max_length: Largest number of actions to keep of each chunk; 0: all.
            episodes: As for `act`.

        Returns:
            A batch of actions, all of the first lane first, and the length of a chunk.

        Raises:
            InvalidValueError: As for `act`; also if chunks are empty or differ in length.
        """
        actions = output
        try:
            if self._conversions is not None:
                leading = (None,) if batch is None else (batch, None)
                actions = self._act(output, leading, episodes)
            return join_chunks(actions, self._action_space, batch, max_length)
        except InvalidValueError as error:
            error.side = "action"
            raise

    def _act(
        self, output: Any, leading: tuple[int | None, ...], episodes: Sequence[Episode] | None
    ) -> Any:
        made = self._conversions
        assert made is not None
        if episodes is None and (made.states or made.previous):
            expected = "the episodes of actions that are relative to a state, or read again"
            raise InvalidValueError("episodes", expected, "none")
        lanes = None
        if episodes is not None:
            # A chunk of one lane has one leading axis too, that of time.
            stacked = len(leading) == 2 or (len(leading) == 1 and leading[0] is not None)
            lanes = Lanes([episode.memory for episode in episodes], stacked)
        leaves: dict[tuple[str | int, ...], list[tuple[int, Any]]] = {}
        for one in made.constants_last:
            if one.constant is None:
                part = one.read(_named(output, one), leading, made.arrays, lanes)
                if one.chain is not None:
                    # The first output determines the extents that are not known yet.
                    leading = tuple(part.shape[: len(leading)])
            else:
                if None in leading:
                    expected = "an output of the model beside constants, for the length of a chunk"
                    raise InvalidValueError(one.path, expected, "constants alone")
                part = one.made(tuple(n or 0 for n in leading), made.arrays, lanes)
            leaves.setdefault(one.slot.keys, []).append((one.slot.start or 0, part))
        if episodes is not None and made.previous:
            self._remember(output, made, len(leading), episodes)
        joined = {
            keys: parts[0][1] if len(parts) == 1 else _joined(parts, made.arrays)
            for keys, parts in leaves.items()
        }
        return _built(self._action_space, (), joined, single=not leading)

    def _remember(
        self, output: Any, made: Conversions, leading: int, episodes: Sequence[Episode]
    ) -> None:
        """Keep the model's output in its episodes, for inputs that read it at the next step."""
        first = {one.name: one for one in made.outputs if one.constant is None}
        for name in made.previous:
            one = first[name]
            array = made.arrays.copy(made.arrays.take(_named(output, one), one.path, one.dtype))
            own = len(array.shape) - len(one.shape)
            for i, episode in enumerate(episodes):
                lane = array if own < leading or (len(episodes) == 1 and own < 2) else array[i]
                episode.keep(name, lane, chunked=len(lane.shape) > len(one.shape))


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
    """One episode in one lane: its instruction, and the facts that later conversions need.

    `Adapter.episode` makes it; each new episode needs a new one.

    Attributes:
        instruction: The instruction; None: the environment's own texts.
        step: Number of steps before the next observation. `Episode.observe` counts the steps; one
            that calls the adapter's methods for several lanes sets it before each observation.
        memory: Facts of the episode by the conversions that need them.

    Args:
        adapter: The adapter.
        instruction: The instruction.
    """

    def __init__(self, adapter: Adapter, instruction: str | None) -> None:
        self._adapter = adapter
        self._outputs: dict[str, tuple[int, bool, Any]] = {}
        self._observed = 0
        self.instruction = instruction
        self.step = 0
        self.memory: dict[Any, Any] = {}

    def fork(self) -> Episode:
        """Return a copy in the same state; its later observations are independent."""
        other = Episode(self._adapter, self.instruction)
        other.memory = {
            key: fact.copy() if isinstance(fact, deque) else fact
            for key, fact in self.memory.items()
        }
        other._outputs = dict(self._outputs)
        other._observed = self._observed
        other.step = self.step
        return other

    def observe(self, observation: Any) -> Any:
        """Return the model's input for an observation; see `Adapter.observe`."""
        result = self._adapter.observe(observation, self)
        self.step += 1
        return result

    def act(self, output: Any) -> Any:
        """Return the action for the model's output; see `Adapter.act`."""
        return self._adapter.act(output, episodes=(self,))

    def keep(self, name: str, output: Any, *, chunked: bool) -> None:
        """Keep what the model returned for the latest observation.

        Args:
            name: Name of the output.
            output: The output, or the outputs of consecutive steps.
            chunked: Whether the first axis is one of steps.
        """
        self._outputs[name] = (self._observed, chunked, output)

    def recall(self, made: Conversions) -> None:
        """Put the outputs of the step before into the memory, for the next observation."""
        self._observed = self.step
        for name in made.previous:
            if name in self._outputs:
                step, chunked, output = self._outputs[name]
                index = min(max(self.step - 1 - step, 0), len(output) - 1) if chunked else 0
                self.memory[previous_key(name)] = output[index] if chunked else output
