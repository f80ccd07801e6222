"""What callbacks and hooks receive, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Union

from rlmesh.results import EpisodeResult, RunResult

__all__ = [
    "Audience",
    "Callbacks",
    "CloseEvent",
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
        episodes: How many episodes it is to have, those of its journal included; None: no end.
        finished: Those of its journal.
        env_id: Id of the environment's contract.
        model_id: The model's name.
        endpoints: Names of the endpoints, such as their addresses.
        instruction: Instruction of the run; None: none.
    """

    episodes: int | None
    finished: tuple[EpisodeResult, ...] = ()
    env_id: str = ""
    model_id: str = ""
    endpoints: tuple[str, ...] = ()
    instruction: str | None = None


@dataclass(frozen=True)
class ResetEvent:
    """An episode has begun. One that begins anew, because its endpoint failed, is told again.

    Attributes:
        episode: Its place in the run, from 0.
        seed: Seed of its reset; None: unseeded.
        observation: Its first observation, in the model's backend.
        info: Info of the reset.
        env: The environment, which may be asked to render while the event is told.
        lane: Lane of a vector that it is played in; None: the environment is a single one.
        endpoint: Name of the endpoint.
    """

    episode: int
    seed: int | None
    observation: Any
    info: Mapping[str, Any] = field(default_factory=dict)
    env: Any = None
    lane: int | None = None
    endpoint: str = ""


@dataclass(frozen=True)
class StepEvent:
    """A step was made.

    Attributes:
        episode: The episode's place in the run, from 0.
        seed: Seed of its reset; None: unseeded.
        step: The step's place in the episode, from 0.
        observation: What came before the action.
        action: The action.
        reward: What it gave.
        terminated: Whether the task's own end was reached.
        truncated: Whether the environment cut the episode.
        info: Info of the step.
        next_observation: What it led to.
        env: As of `ResetEvent`.
        lane: As of `ResetEvent`.
        endpoint: Name of the endpoint.
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


@dataclass(frozen=True)
class EpisodeEndEvent:
    """An episode has ended.

    Attributes:
        result: What it gave.
        info: Info of its last step.
    """

    result: EpisodeResult
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def episode(self) -> int:
        """Its place in the run, from 0."""
        return self.result.index

    @property
    def seed(self) -> int | None:
        """Seed of its reset; None: unseeded."""
        return self.result.seed


@dataclass(frozen=True)
class CloseEvent:
    """A run has ended, as planned or not.

    Attributes:
        result: What it gave.
    """

    result: RunResult


LifecycleCallback = Callable[[Union[ResetEvent, EpisodeEndEvent, CloseEvent, Any]], object]
"""A callback of a model; it receives one event."""


class Hooks:
    """What watches a run; a hook is any object with some of these methods.

    They are called one at a time, from the thread that called `run` or `evaluate`. An exception in
    one ends the run; finished episodes are on the `RunError`. With `on_step`, steps are made one
    by one, chunks or not.
    """

    def on_run_start(self, event: RunStartEvent) -> object:
        """A run begins."""

    def on_episode_start(self, event: ResetEvent) -> object:
        """An episode has begun."""

    def on_step(self, event: StepEvent) -> object:
        """A step was made."""

    def on_episode_end(self, event: EpisodeEndEvent) -> object:
        """An episode has ended."""

    def on_run_end(self, event: CloseEvent) -> object:
        """A run has ended, as planned or not."""


@dataclass(frozen=True)
class Callbacks:
    """The lifecycle callbacks of a model; None: none."""

    on_reset: LifecycleCallback | None = None
    on_episode_end: LifecycleCallback | None = None
    on_close: LifecycleCallback | None = None


Listeners = tuple[Callable[[Any], object], ...]


class Audience:
    """Who is told of a run: the callbacks of its model first, then its hooks, in order.

    Args:
        callbacks: Those of the model.
        hooks: Objects with some of the methods of `Hooks`; one, a list of several, or None.

    Raises:
        TypeError: If the one object has none of them.
    """

    def __init__(self, callbacks: Callbacks, hooks: object | None) -> None:
        several = isinstance(hooks, (list, tuple))
        objects: tuple[object, ...] = tuple(hooks) if isinstance(hooks, (list, tuple)) else (hooks,)

        def of(name: str, first: LifecycleCallback | None = None) -> Listeners:
            found = [getattr(one, name, None) for one in objects if _overrides(one, name)]
            return tuple(f for f in (first, *found) if callable(f))

        self.run_start = of("on_run_start")
        self.episode_start = of("on_episode_start", callbacks.on_reset)
        self.step = of("on_step")
        self.episode_end = of("on_episode_end", callbacks.on_episode_end)
        self.run_end = of("on_run_end", callbacks.on_close)
        if hooks is not None and not several and self._deaf(callbacks):
            raise TypeError(
                f"hooks are objects with methods such as on_step, got a {type(hooks).__name__} "
                f"with none of them"
            )

    def _deaf(self, callbacks: Callbacks) -> bool:
        given = [callbacks.on_reset, callbacks.on_episode_end, callbacks.on_close]
        told = (self.run_start, self.episode_start, self.step, self.episode_end, self.run_end)
        return sum(map(len, told)) == sum(callback is not None for callback in given)


def notify(listeners: Listeners, event: object) -> None:
    """Give an event to each who listens."""
    for listener in listeners:
        listener(event)


def _overrides(hook: object, name: str) -> bool:
    """Whether an object has a method of its own, not the empty one of `Hooks`."""
    return getattr(type(hook), name, None) is not getattr(Hooks, name)
