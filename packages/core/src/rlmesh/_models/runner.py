"""The evaluation loop: episodes of one model against one environment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlmesh._models.events import CloseEvent, EpisodeEndEvent, LifecycleCallback, ResetEvent
from rlmesh.errors import RunError
from rlmesh.results import EpisodeEnd, EpisodeResult, RunResult

__all__ = ["Callbacks", "env_id_of", "run_episodes"]

_SUCCESS_KEYS = ("is_success", "success")


@dataclass(frozen=True)
class Callbacks:
    """The lifecycle callbacks of a model; None: none."""

    on_reset: LifecycleCallback | None = None
    on_episode_end: LifecycleCallback | None = None
    on_close: LifecycleCallback | None = None


@dataclass
class _Run:
    """A run while it goes on."""

    env: Any
    predict: Callable[[Any], Any]
    callbacks: Callbacks
    env_id: str
    start: float = field(default_factory=time.perf_counter)
    episodes: list[EpisodeResult] = field(default_factory=list)

    @property
    def result(self) -> RunResult:
        seconds = time.perf_counter() - self.start
        return RunResult(tuple(self.episodes), self.env_id, seconds)


def run_episodes(
    env: Any,
    predict: Callable[[Any], Any],
    callbacks: Callbacks,
    seeds: Sequence[int] = (),
    count: int | None = None,
) -> RunResult:
    """Play episodes one after another.

    Args:
        env: A single environment, local or remote.
        predict: The action for an observation.
        callbacks: Told of what happens.
        seeds: Seed of each episode; those past the last one run unseeded.
        count: Number of episodes; None: until interrupted.

    Returns:
        What they gave.

    Raises:
        RunError: If the environment, the model or a callback fails; `.result` has the finished
            episodes and `__cause__` the reason. An interrupt ends the run as it is.
    """
    run = _Run(env, predict, callbacks, env_id_of(env))
    try:
        index = 0
        while count is None or index < count:
            _play(run, index, int(seeds[index]) if index < len(seeds) else None)
            index += 1
    except Exception as error:
        _tell_close(run, suppress=True)
        raise RunError(
            f"the run ended in episode {len(run.episodes)}: {error}", result=run.result
        ) from error
    except BaseException:
        _tell_close(run, suppress=True)
        raise
    _tell_close(run, suppress=False)
    return run.result


def _tell_close(run: _Run, *, suppress: bool) -> None:
    """Call `on_close`; where the run has failed already, its own failure must not hide that."""
    try:
        _tell(run.callbacks.on_close, CloseEvent(run.result))
    except Exception as error:
        if not suppress:
            raise RunError(f"on_close failed: {error}", result=run.result) from error


def _play(run: _Run, index: int, seed: int | None) -> None:
    start = time.perf_counter()
    env, predict = run.env, run.predict
    observation, info = env.reset(seed=seed)
    _tell(run.callbacks.on_reset, ResetEvent(index, seed, observation, info))
    total, steps, terminated, truncated = 0.0, 0, False, False
    while not (terminated or truncated):
        observation, reward, terminated, truncated, info = env.step(predict(observation))
        total += float(reward)
        steps += 1
    result = EpisodeResult(
        index=index,
        seed=seed,
        reward=total,
        steps=steps,
        end=EpisodeEnd.TERMINATED if terminated else EpisodeEnd.TRUNCATED,
        success=_success(info),
        seconds=time.perf_counter() - start,
        env_id=run.env_id,
    )
    run.episodes.append(result)
    _tell(run.callbacks.on_episode_end, EpisodeEndEvent(result, info))


def _success(info: Mapping[str, Any]) -> bool | None:
    for key in _SUCCESS_KEYS:
        if key in info:
            return bool(info[key])
    return None


def _tell(callback: LifecycleCallback | None, event: object) -> None:
    if callback is not None:
        callback(event)


def env_id_of(env: Any) -> str:
    """Id of the environment's contract, else of its spec, else the name of its class."""
    contract = getattr(env, "env_contract", None)
    for source in (contract, getattr(env, "spec", None)):
        env_id = getattr(source, "id", None)
        if isinstance(env_id, str) and env_id:
            return env_id
    return type(getattr(env, "unwrapped", env)).__name__
