"""`Lanes`: an environment, single or vector, as slots for episodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Union

from rlmesh._client.base import EnvClientBase
from rlmesh._codec.lanes import FINAL_KEY, LaneIO
from rlmesh._env_host.describe_env import RESET_NAMES, reset_arguments
from rlmesh._env_host.outcomes import check_reset, check_step, flag_of, reward_of
from rlmesh._evaluation.backend_converter import BackendConverter
from rlmesh._evaluation.value_reports import reports_of
from rlmesh._session.begun_request import BegunRequest
from rlmesh.adapters._view import ObservationView
from rlmesh.results._frozen_mapping import EMPTY
from rlmesh.specs import AutoresetMode, EnvContract

__all__ = ["BegunSteps", "Convert", "Lanes", "SingleLanes", "StepResult", "VectorLanes"]

Convert = Callable[[Union[ObservationView, None]], BackendConverter]
"""The type of the function that returns the conversion between an environment and a model.

Its argument is the view of the observations that the model gets; None: whole observations.
"""

BeginStep = Callable[[Any], Union["BegunRequest[Any]", None]]
"""The type of the function that begins a step of a client; see `EnvStub.begin_step`."""

StepResult = tuple[Any, float, bool, bool, Mapping[Any, Any]]
"""The type of a step's result: observation, reward, terminated, truncated and info."""


BegunSteps = BegunRequest[dict[int, list[StepResult]]]
"""The type of a step that was begun, which finishes with the results of `Lanes.step`."""


class Lanes(Protocol):
    """An environment as lanes that play one episode each; used by one thread at a time."""

    env: Any
    """The environment."""

    count: int
    """Number of lanes."""

    is_vector: bool
    """Whether the environment is a vector."""

    resets_each: bool
    """Whether a lane can begin an episode while others go on; if False, all begin together."""

    steps_many: bool
    """Whether the environment takes several actions in one call."""

    reports: Mapping[Any, Any]
    """Reports of the last call on values outside their space that belong to no single lane."""

    def set_view(self, view: ObservationView | None) -> None:
        """Set the view of the observations of later calls; None: whole observations."""
        ...

    def reset(
        self, seeds: Mapping[int, int | None], options: Any = None, name: str = ""
    ) -> dict[int, tuple[Any, Mapping[Any, Any]]]:
        """Begin an episode in each of these lanes; the other lanes may begin one too, or not.

        Args:
            seeds: Seed of each lane.
            options: Options of the reset; None: none. Only a single environment takes them.
            name: Name of the episode, if it is the only one, for the log of a server.
        """
        ...

    def step(self, actions: Mapping[int, Sequence[Any]]) -> dict[int, list[StepResult]]:
        """Take actions in each of these lanes until an episode ends."""
        ...

    def begin(self, actions: Mapping[int, Sequence[Any]]) -> BegunSteps | None:
        """Begin what `step` does, without waiting; None, with nothing done: only `step` can."""
        ...

    def close(self) -> None:
        """Close the environment."""
        ...


class SingleLanes:
    """A single environment as one lane.

    Args:
        env: The environment.
        convert: Returns the conversion between its values and the model's; None: values are not
            converted.
        steps_many: Whether the environment has `step_many`.
        reset_names: Keyword arguments that its `reset` takes, of "seed" and "options".
        begin_step: Begins a step of a client; None: each step is waited for.
    """

    count = 1
    is_vector = False
    resets_each = True
    reports: Mapping[Any, Any] = EMPTY

    def __init__(
        self,
        env: Any,
        convert: Convert | None,
        *,
        steps_many: bool,
        reset_names: frozenset[str] = RESET_NAMES,
        begin_step: BeginStep | None = None,
    ) -> None:
        self.env = env
        self._begin_step = begin_step
        self.steps_many = steps_many
        self._reset_names = reset_names
        self._convert = convert
        self._view: ObservationView | None = None
        self._translation: BackendConverter | None = None
        self._translate(None)

    def _translate(self, view: ObservationView | None) -> None:
        if self._convert is not None:
            converter = self._convert(view)
            self._translation = None if converter.is_nothing else converter

    def set_view(self, view: ObservationView | None) -> None:
        """Set the view of observations; see `Lanes.set_view`."""
        if view != self._view:
            self._translate(view)
            self._view = view

    def reset(
        self, seeds: Mapping[int, int | None], options: Any = None, name: str = ""
    ) -> dict[int, tuple[Any, Mapping[Any, Any]]]:
        """Begin an episode; see `Lanes.reset`."""
        _name_episode(self.env, name)
        arguments = reset_arguments(self._reset_names, seed=seeds[0], options=options)
        observation, info = check_reset(self.env.reset(**arguments))
        return {0: (self._shown(observation), self._with_reports(info))}

    def step(self, actions: Mapping[int, Sequence[Any]]) -> dict[int, list[StepResult]]:
        """Take actions; see `Lanes.step`."""
        chunk = actions[0]
        if self._translation is not None:
            chunk = [self._translation.action(action) for action in chunk]
        results = [self.env.step(chunk[0])] if len(chunk) == 1 else self.env.step_many(chunk)
        return {0: [self._checked(result) for result in results]}

    def begin(self, actions: Mapping[int, Sequence[Any]]) -> BegunSteps | None:
        """Begin a step; see `Lanes.begin`."""
        if self._begin_step is None or len(actions[0]) > 1:
            return None
        action = actions[0][0]
        if self._translation is not None:
            action = self._translation.action(action)
        begun = self._begin_step(action)
        return None if begun is None else begun.then(lambda result: {0: [self._checked(result)]})

    def _checked(self, result: Any) -> StepResult:
        observation, reward, terminated, truncated, info = check_step(result)
        return (
            self._shown(observation),
            reward_of(reward),
            flag_of(terminated, "terminated"),
            flag_of(truncated, "truncated"),
            self._with_reports(info),
        )

    def _with_reports(self, info: Mapping[Any, Any]) -> Mapping[Any, Any]:
        return info if self._translation is None else self._translation.with_reports(info)

    def _shown(self, observation: Any) -> Any:
        # `step_many` has no observation of the steps before its last.
        if self._translation is None or (observation is None and self.steps_many):
            return observation
        return self._translation.observation(observation)

    def close(self) -> None:
        """Close the environment."""
        self.env.close()


class VectorLanes:
    """A vector environment as one lane for each of its environments.

    With autoreset DISABLED, lanes begin their episodes one by one, by `reset_mask`. With the other
    modes only a reset of all lanes takes seeds; therefore all lanes begin together, and a lane that
    has ended is ignored until all have.

    Args:
        env: The vector.
        contract: Contract of the vector.
        convert: Returns the conversion between its values and the model's.
        arrays: Arrays of rewards, flags and masks.
        is_local: Whether the vector belongs to this process; a client has checked its results.
        reset_names: Keyword arguments that its `reset` takes, of "seed" and "options".
        begin_step: Begins a step of a client; None: each step is waited for.
    """

    is_vector = True
    steps_many = False

    def __init__(
        self,
        env: Any,
        contract: EnvContract,
        convert: Convert,
        arrays: LaneIO,
        *,
        is_local: bool,
        reset_names: frozenset[str] = RESET_NAMES,
        begin_step: BeginStep | None = None,
    ) -> None:
        self.env = env
        self._begin_step = begin_step
        self.count = contract.num_envs
        self.resets_each = contract.autoreset_mode is AutoresetMode.DISABLED
        self._convert = convert
        self._view: ObservationView | None = None
        self._translation = convert(None)
        self._arrays = arrays
        self._is_local = is_local
        self._reset_names = reset_names
        self._has_begun = False
        self._ended = [False] * self.count
        self._fillers: list[Any] = [None] * self.count
        self.reports: Mapping[Any, Any] = EMPTY

    def set_view(self, view: ObservationView | None) -> None:
        """Set the view of observations; see `Lanes.set_view`."""
        if view != self._view:
            self._translation = self._convert(view)
            self._view = view

    def reset(
        self, seeds: Mapping[int, int | None], options: Any = None, name: str = ""
    ) -> dict[int, tuple[Any, Mapping[Any, Any]]]:
        """Begin episodes; see `Lanes.reset`."""
        every = not (self.resets_each and self._has_begun)
        observation, info = self._reset(seeds, every=every, name=name)
        observations = self._translation.observations(observation, self.count)
        info = self._with_reports(info)
        return {lane: (observations[lane], lane_info(info, lane)) for lane in seeds}

    def _with_reports(self, info: Mapping[Any, Any]) -> Mapping[Any, Any]:
        info = self._translation.with_reports(info)
        self.reports = reports_of(info)
        return info

    def _reset(
        self, seeds: Mapping[int, int | None], *, every: bool, name: str = ""
    ) -> tuple[Any, Any]:
        _name_episode(self.env, name)
        # Idle lanes start with the seed of the first lane that plays and repeat its actions, so
        # that they do nothing that an episode does not do anyway.
        some = next(iter(seeds.values()))
        by_lane = [seeds.get(lane, some) for lane in range(self.count)]
        seed = None if all(one is None for one in by_lane) else by_lane
        if every:
            self._ended = [False] * self.count
            self._fillers = [None] * self.count
            self._has_begun = False
            result = check_reset(self.env.reset(**reset_arguments(self._reset_names, seed=seed)))
            self._has_begun = True
            return result
        flags = bytes([lane in seeds for lane in range(self.count)])
        mask = self._arrays.mask_array(flags, "reset_mask")
        result = check_reset(self.env.reset(seed=seed, options={"reset_mask": mask}))
        self._ended = [ended and lane not in seeds for lane, ended in enumerate(self._ended)]
        return result

    def step(self, actions: Mapping[int, Sequence[Any]]) -> dict[int, list[StepResult]]:
        """Take actions; see `Lanes.step`. Idle lanes get an action too, and are ignored."""
        idle = {lane: None for lane, ended in enumerate(self._ended) if ended}
        if idle and self.resets_each:
            self._reset(idle, every=False)
        batch = self._batch(actions)
        self._has_begun = False  # If the call fails, every lane has to begin again.
        return self._stepped(actions, self.env.step(batch))

    def begin(self, actions: Mapping[int, Sequence[Any]]) -> BegunSteps | None:
        """Begin a step; see `Lanes.begin`."""
        if self._begin_step is None or (self.resets_each and any(self._ended)):
            return None
        begun = self._begin_step(self._batch(actions))
        if begun is None:
            return None
        self._has_begun = False
        return begun.then(lambda result: self._stepped(actions, result))

    def _batch(self, actions: Mapping[int, Sequence[Any]]) -> Any:
        """Return the actions of all lanes, in the vector's values."""
        filler = next(iter(actions.values()))[0]
        for lane, chunk in actions.items():
            self._fillers[lane] = chunk[0]
        chosen = [filler if action is None else action for action in self._fillers]
        return self._translation.actions(chosen)

    def _stepped(
        self, actions: Mapping[int, Sequence[Any]], result: Any
    ) -> dict[int, list[StepResult]]:
        observation, rewards, terminated, truncated, info = check_step(result)
        if self._is_local:
            rewards, terminated, truncated = self._arrays.checked(rewards, terminated, truncated)
        self._has_begun = True
        observations = self._translation.observations(observation, self.count)
        for lane in actions:  # With SAME_STEP, the lane already shows the next episode.
            if _has(info, FINAL_KEY, lane):
                observations[lane] = self._translation.observation(info[FINAL_KEY][lane])
        info = self._with_reports(info)
        self._ended = [bool(a) or bool(b) for a, b in zip(terminated, truncated)]
        return {
            lane: [
                (
                    observations[lane],
                    float(rewards[lane]),
                    bool(terminated[lane]),
                    bool(truncated[lane]),
                    lane_info(info, lane),
                )
            ]
            for lane in actions
        }

    def close(self) -> None:
        """Close the vector."""
        self.env.close()


def _name_episode(env: Any, name: str) -> None:
    """Name the episodes that the next reset of a client begins, for the log of its server."""
    if name and isinstance(env, EnvClientBase):
        env.episode_id = name


def lane_info(info: Mapping[Any, Any], lane: int) -> dict[Any, Any]:
    """Return the part of a vector's info for one lane; after an autoreset, for its last step.

    Keys without a mask, which only vectors outside Gymnasium have, belong to all lanes.
    """
    final = info.get("final_info")
    if isinstance(final, Mapping) and _has(info, "final_info", lane):
        return lane_info(final, lane)
    found: dict[Any, Any] = {}
    for key, value in info.items():
        if isinstance(key, str) and key[:1] == "_" and key[1:] in info:
            continue
        if f"_{key}" not in info:
            found[key] = value
        elif _has(info, key, lane):
            found[key] = lane_info(value, lane) if isinstance(value, Mapping) else value[lane]
    return found


def _has(info: Mapping[Any, Any], key: Any, lane: int) -> bool:
    mask = info.get(f"_{key}")
    return mask is not None and bool(mask[lane])
