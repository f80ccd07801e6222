"""Vectors of environments that are made one by one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

__all__ = ["make_vector"]


def make_vector(lanes: Sequence[Any], autoreset_mode: str) -> VectorEnv[Any, Any, Any]:
    """Return Gymnasium's own vector, with a lane for each environment.

    Args:
        lanes: Environments, or functions that make them.
        autoreset_mode: Value of Gymnasium's `AutoresetMode`.

    Raises:
        ValueError: If there is no lane, or no such mode.
        TypeError: If a lane is not a Gymnasium environment.
    """
    if not lanes:
        raise ValueError("a vector has one environment or more, got an empty list")
    mode = AutoresetMode(autoreset_mode)
    envs: list[gymnasium.Env[Any, Any]] = []
    try:
        for lane in lanes:
            envs.append(_made(lane, len(envs)))
        # No copies are needed, because results are encoded before the vector's next call.
        makers = [partial(_itself, env) for env in envs]
        vector = SyncVectorEnv(makers, copy=False, autoreset_mode=mode)
    except BaseException:
        for env in envs:
            env.close()
        raise
    if vector.spec is None:
        vector.spec = envs[0].spec
    return vector


def _itself(env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
    return env


def _made(lane: Any, index: int) -> gymnasium.Env[Any, Any]:
    env = lane if isinstance(lane, gymnasium.Env) or not callable(lane) else lane()
    if isinstance(env, gymnasium.Env):
        return env
    raise TypeError(
        f"environment {index} of the list is a {type(env).__name__}; a vector is made of "
        f"environments of Gymnasium, or of functions that make them"
    )
