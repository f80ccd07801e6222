"""Events of a run, and the callbacks and hooks that receive them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Union

from rlmesh.results import EpisodeResult, RunResult, RunSettings
from rlmesh.results._settings import UNKNOWN_SETTINGS

__all__ = [
    "Audience",
    "Callbacks",
    "CloseEvent",
    "EndpointEvent",
    "EpisodeEndEvent",
    "Hooks",
    "LifecycleCallback",
    "ResetEvent",
    "RunStartEvent",
    "StepEvent",
    "notify",
]


@dataclass(frozen=True)
class RunStartEvent:
    """A run begins.

    Attributes:
        episodes: Number of episodes of the run, including those of its journal; None: endless.
        finished: Episodes of its journal.
        env_id: Id of the environment's contract.
        model_id: Name of the model.
        endpoints: Names of the endpoints, such as their addresses.
        instruction: Instruction of the run; None: none.
        settings: Settings of the run.
    """

    episodes: int | None
    finished: tuple[EpisodeResult, ...] = ()
    env_id: str = ""
    model_id: str = ""
    endpoints: tuple[str, ...] = ()
    instruction: str | None = None
    settings: RunSettings = UNKNOWN_SETTINGS


@dataclass(frozen=True)
class ResetEvent:
    """An episode has begun, or has begun again because its endpoint failed.

    Attributes:
        episode: Position of the episode in the run, from 0.
        seed: Seed of the reset; None: unseeded.
        observation: First observation, in the model's backend.
        info: Info of the reset.
        env: The environment, which may render during the event.
        lane: Lane of the vector that plays the episode; None: the environment is a single one.
        endpoint: Name of the endpoint.
        task: Name of the task, in a run of a suite; empty: the run is not one of a suite.
    """

    episode: int
    seed: int | None
    observation: Any
    info: Mapping[str, Any] = field(default_factory=dict)
    env: Any = None
    lane: int | None = None
    endpoint: str = ""
    task: str = ""


@dataclass(frozen=True)
class StepEvent:
    """A step was made.

    Attributes:
        episode: Position of the episode in the run, from 0.
        seed: Seed of the reset; None: unseeded.
        step: Position of the step in the episode, from 0.
        observation: Observation before the step.
        action: The action.
        reward: Reward of the step.
        terminated: Whether the task reached its own end.
        truncated: Whether the environment cut the episode short.
        info: Info of the step.
        next_observation: Observation after the step.
        env: As in `ResetEvent`.
        lane: As in `ResetEvent`.
        endpoint: Name of the endpoint.
        task: Name of the task, in a run of a suite; empty: the run is not one of a suite.
    """

    episode: int
    seed: int | None
    step: int
    observation: Any
    action: Any
    reward: float
    terminated: bool
    truncated: bool
    info: Mapping[str, Any]
    next_observation: Any
    env: Any = None
    lane: int | None = None
    endpoint: str = ""
    task: str = ""


@dataclass(frozen=True)
class EndpointEvent:
    """An endpoint of a run has joined it, was lost, or plays no more in it.

    Attributes:
        endpoint: Name of the endpoint.
        change: "joined" once it is connected, also after a loss; "lost" when its connection is, and
            it is connected to again; "retired" when the run plays no more on it.
        playing: Number of endpoints that are connected after the change.
        task: Name of its task; empty: the run is not one of a suite.
    """

    endpoint: str
    change: Literal["joined", "lost", "retired"]
    playing: int
    task: str = ""


@dataclass(frozen=True)
class EpisodeEndEvent:
    """An episode has ended.

    Attributes:
        result: Result of the episode.
        info: Info of the last step.
    """

    result: EpisodeResult
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def episode(self) -> int:
        """Position of the episode in the run, from 0."""
        return self.result.index

    @property
    def seed(self) -> int | None:
        """Seed of the reset; None: unseeded."""
        return self.result.seed


@dataclass(frozen=True)
class CloseEvent:
    """A run has ended, completely or early.

    Attributes:
        result: Result of the run.
    """

    result: RunResult


LifecycleCallback = Callable[[Union[ResetEvent, EpisodeEndEvent, CloseEvent, Any]], object]
"""The type of a model's callback, which receives one event."""


class Hooks:
    """The methods of an observer of a run; a hook is any object with some of them.

    They are called one at a time, from the thread that called `run` or `evaluate`. An exception in
    one ends the run; finished episodes are in the `RunError` and in the journal. (The hooks of
    `rlmesh.trackers` warn instead.) With `on_step`, steps are made one by
    one, even those of a chunk.
    An event has copies of arrays and infos, which a hook may keep and change.
    """

    def on_run_start(self, event: RunStartEvent) -> object:
        """Receive the start of a run."""

    def on_endpoint(self, event: EndpointEvent) -> object:
        """Receive the joining, the loss or the end of an endpoint; also before the run starts."""

    def on_episode_start(self, event: ResetEvent) -> object:
        """Receive the start of an episode."""

    def on_step(self, event: StepEvent) -> object:
        """Receive a step."""

    def on_episode_end(self, event: EpisodeEndEvent) -> object:
        """Receive the end of an episode."""

    def on_run_end(self, event: CloseEvent) -> object:
        """Receive the end of a run, complete or early."""


@dataclass(frozen=True)
class Callbacks:
    """The lifecycle callbacks of a model; None for those that are not set."""

    on_reset: LifecycleCallback | None = None
    on_episode_end: LifecycleCallback | None = None
    on_close: LifecycleCallback | None = None


Listeners = tuple[Callable[[Any], object], ...]


class Audience:
    """The receivers of a run's events: the callbacks of its model first, then its hooks, in order.

    A hook that writes files for each episode, as the recorders do, has a method `before_journal`
    too. If the run has a journal, it is called with the `EpisodeEndEvent` before the journal has
    the episode, and returns once the files are whole: a run that is killed has the files of every
    episode of its journal, and a resumed run plays the others again.

    Args:
        callbacks: Callbacks of the model.
        hooks: Objects with some of the methods of `Hooks`; one, a list of several, or None.

    Raises:
        TypeError: If a single object has none of the methods.
    """

    def __init__(self, callbacks: Callbacks, hooks: object | None) -> None:
        several = isinstance(hooks, (list, tuple))
        objects: tuple[object, ...] = tuple(hooks) if isinstance(hooks, (list, tuple)) else (hooks,)

        def of(name: str, first: LifecycleCallback | None = None) -> Listeners:
            found = [getattr(one, name, None) for one in objects if _overrides(one, name)]
            return tuple(f for f in (first, *found) if callable(f))

        self.run_start = of("on_run_start")
        self.endpoint = of("on_endpoint")
        self.episode_start = of("on_episode_start", callbacks.on_reset)
        self.step = of("on_step")
        self.before_journal = of("before_journal")
        self.episode_end = of("on_episode_end", callbacks.on_episode_end)
        self.run_end = of("on_run_end", callbacks.on_close)
        given = (callbacks.on_reset, callbacks.on_episode_end, callbacks.on_close)
        own = (self.run_start, self.endpoint, self.episode_start, self.step)
        found = (*own, self.episode_end, self.run_end)
        hears = sum(map(len, found)) > sum(callback is not None for callback in given)
        if hooks is not None and not several and not hears:
            raise TypeError(
                f"hooks are objects with methods such as on_step, got a {type(hooks).__name__} "
                f"with none of them"
            )

    @property
    def sees_observations(self) -> bool:
        """Whether a receiver gets observations."""
        return bool(self.episode_start or self.step)


def notify(listeners: Listeners, event: object) -> None:
    """Call each listener with an event."""
    for listener in listeners:
        listener(event)


def _overrides(hook: object, name: str) -> bool:
    """Return whether an object has a method of its own, instead of the empty one of `Hooks`."""
    return getattr(type(hook), name, None) is not getattr(Hooks, name, None)
