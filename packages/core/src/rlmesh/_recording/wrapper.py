"""`wrap`: recordings of your own loop."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from rlmesh._policy.events import (
    CloseEvent,
    EpisodeEndEvent,
    ResetEvent,
    RunStartEvent,
    StepEvent,
)
from rlmesh._policy.owned import owned
from rlmesh.results import EpisodeEnd, EpisodeResult, RunResult

__all__ = ["RecordedEnv", "wrap"]


def wrap(env: Any, *recorders: Any) -> RecordedEnv:
    """Return an environment that records its `reset` and `step`.

    An episode ends with a step that is terminated or truncated, or with the next `reset`. The run
    ends with `close()`, which also closes the environment and the recorders.

    Args:
        env: A single environment, local or remote, of any backend.
        *recorders: `VideoRecorder`, `TrajectoryRecorder`, or other hooks of an evaluation.
    """
    return RecordedEnv(env, recorders)


class RecordedEnv:
    """An environment that reports its calls to recorders, and otherwise delegates to another."""

    def __init__(self, env: Any, recorders: tuple[Any, ...]) -> None:
        self.env = env
        self._recorders = recorders
        self._episode = -1
        self._has_begun = False
        self._playing: _Episode | None = None
        self._ended: list[EpisodeResult] = []
        self._of_observation = _adapter(env, "observation_space")
        self._of_action = _adapter(env, "action_space")

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, Any]:
        """Begin an episode; see `gymnasium.Env.reset`."""
        if not self._has_begun:
            self._has_begun = True
            self._send("on_run_start", RunStartEvent(None))
        self._end_episode(EpisodeEnd.LIMIT)
        observation, info = self.env.reset(seed=seed, options=options)
        self._episode += 1
        # The caller may write to the observation, and the environment may reuse its objects.
        seen, seen_info = owned(self._of_observation(observation)), owned(info)
        self._playing = _Episode(self._episode, seed, seen, seen_info)
        start = ResetEvent(self._episode, seed, seen, seen_info, self.env)
        self._send("on_episode_start", start)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        """Make a step; see `gymnasium.Env.step`."""
        episode = self._playing
        # The environment may write to its action.
        taken = action if episode is None else owned(self._of_action(action))
        observation, reward, terminated, truncated, info = self.env.step(action)
        if episode is not None:
            step = StepEvent(
                episode=episode.index,
                seed=episode.seed,
                step=episode.steps,
                observation=episode.observation,
                action=taken,
                reward=float(reward),
                terminated=bool(terminated),
                truncated=bool(truncated),
                info=owned(info),
                next_observation=owned(self._of_observation(observation)),
                env=self.env,
            )
            self._send("on_step", step)
            episode.stepped(step)
            if step.terminated or step.truncated:
                end = EpisodeEnd.TERMINATED if step.terminated else EpisodeEnd.TRUNCATED
                self._end_episode(end)
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Finish the recordings, and close the environment."""
        try:
            self._end_episode(EpisodeEnd.LIMIT)
            if self._has_begun:
                self._has_begun = False
                self._send("on_run_end", CloseEvent(RunResult(tuple(self._ended))))
        finally:
            self.env.close()

    def __enter__(self) -> RecordedEnv:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        if name == "env":  # The attribute is not set yet, for example during unpickling.
            raise AttributeError(name)
        return getattr(self.env, name)

    def _end_episode(self, end: EpisodeEnd) -> None:
        episode, self._playing = self._playing, None
        if episode is not None:
            self._ended.append(episode.result(end))
            self._send("on_episode_end", EpisodeEndEvent(self._ended[-1], episode.info))

    def _send(self, hook: str, event: object) -> None:
        for recorder in self._recorders:
            call = getattr(recorder, hook, None)
            if call is not None:
                call(event)


def _adapter(env: Any, name: str) -> Callable[[Any], Any]:
    """Return the conversion of values of a registered space, which recorders know by its standard.

    See `rlmesh.numpy.register_space`.
    """
    module = sys.modules.get("rlmesh_numpy._custom_spaces")
    found = None if module is None else module.value_adapter(getattr(env, name, None), "encode")
    return found or (lambda value: value)


class _Episode:
    """An episode in progress."""

    def __init__(self, index: int, seed: int | None, observation: Any, info: Any) -> None:
        self.index, self.seed, self.observation, self.info = index, seed, observation, info
        self.steps, self.reward = 0, 0.0
        self._started = time.perf_counter()

    def stepped(self, step: StepEvent) -> None:
        """Count a step."""
        self.observation, self.info = step.next_observation, step.info
        self.steps += 1
        self.reward += step.reward

    def result(self, end: EpisodeEnd) -> EpisodeResult:
        """Return the result of the episode."""
        seconds = time.perf_counter() - self._started
        return EpisodeResult(
            index=self.index,
            seed=self.seed,
            reward=self.reward,
            steps=self.steps,
            end=end,
            seconds=seconds,
        )
