"""`wrap`: a loop of one's own, recorded."""

from __future__ import annotations

from typing import Any

from rlmesh._record.events import EpisodeEnd, EpisodeStart, Run, Step

__all__ = ["RecordedEnv", "wrap"]


def wrap(env: Any, *recorders: Any) -> RecordedEnv:
    """An environment whose `reset` and `step` are recorded.

    An episode ends with a step that is terminated or truncated, or with the next `reset`. The run
    ends with `close()`, which is also that of the environment and of the recorders.

    Args:
        env: A single environment, local or remote, of any backend.
        *recorders: `VideoRecorder`, `TrajectoryRecorder`, or other hooks of an evaluation.
    """
    return RecordedEnv(env, recorders)


class RecordedEnv:
    """An environment that tells recorders what happens; everything else is the environment's."""

    def __init__(self, env: Any, recorders: tuple[Any, ...]) -> None:
        self.env = env
        self._recorders = recorders
        self._episode = -1
        self._seed: int | None = None
        self._steps = 0
        self._is_playing = False
        self._has_begun = False
        self._observation: Any = None

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, Any]:
        """Begin an episode; see `gymnasium.Env.reset`."""
        if not self._has_begun:
            self._has_begun = True
            self._tell("on_run_start", Run(self.env))
        self._end_episode()
        observation, info = self.env.reset(seed=seed, options=options)
        self._episode += 1
        self._seed, self._steps, self._observation = seed, 0, observation
        self._is_playing = True
        start = EpisodeStart(self._episode, seed, observation, info, self.env)
        self._tell("on_episode_start", start)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, Any, Any, Any]:
        """Make a step; see `gymnasium.Env.step`."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if self._is_playing:
            step = Step(
                episode=self._episode,
                seed=self._seed,
                step=self._steps,
                observation=self._observation,
                action=action,
                reward=float(reward),
                terminated=bool(terminated),
                truncated=bool(truncated),
                info=info,
                next_observation=observation,
                env=self.env,
            )
            self._tell("on_step", step)
            self._steps += 1
            self._observation = observation
            if terminated or truncated:
                self._end_episode()
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Finish the recordings, and close the environment."""
        try:
            self._end_episode()
            if self._has_begun:
                self._has_begun = False
                self._tell("on_run_end", Run(self.env))
        finally:
            self.env.close()

    def __enter__(self) -> RecordedEnv:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        if name == "env":  # Not yet there: while it is unpickled, for one.
            raise AttributeError(name)
        return getattr(self.env, name)

    def _end_episode(self) -> None:
        if self._is_playing:
            self._is_playing = False
            self._tell("on_episode_end", EpisodeEnd(self._episode, self._seed, self.env))

    def _tell(self, hook: str, event: object) -> None:
        for recorder in self._recorders:
            getattr(recorder, hook)(event)
