"""Recognition of what is passed as an environment by mistake, and what to pass instead."""

from __future__ import annotations

import inspect
from typing import Any

from rlmesh.spaces import Space

__all__ = ["advice_for"]


def advice_for(env: Any) -> str | None:
    """Return what `env` is and what to do, if it is no environment that can be served.

    Other libraries are recognised by their methods, because none of them is imported here.

    Returns:
        A sentence that follows "cannot serve ... :"; None if `env` is none of the known kinds.
    """
    name = type(env).__name__
    if inspect.isclass(env):
        made = env.__name__
        return f"it is the class {made}; pass an instance, EnvServer({made}()), or factory={made}"
    spaces = [_static(env, key) for key in ("observation_space", "action_space")]
    is_shaped = all(isinstance(space, Space) for space in spaces)
    if is_shaped and _has_all(env, "reset", "step", "close"):
        return None  # An environment of ours, whatever else it has.
    if isinstance(env, str):
        return (
            f"it is the text {env!r:.60}; pass gymnasium.make({env!r:.60}), or serve it from the "
            f"command line: rlmesh serve {env:.60}"
        )
    if _has_all(env, "possible_agents", "observation_spaces") or _has_all(env, "agent_iter"):
        return f"{name} is a multi-agent environment (PettingZoo); these are not supported yet"
    if _has_all(env, "observation_spec", "action_spec"):
        return f"{name} is a dm_env environment; convert it to Gymnasium, for example with shimmy"
    if _has_all(env, "send", "recv", "step", "all_env_ids") or _is_of(env, "envpool"):
        return (
            f"{name} is an EnvPool: its spaces describe one environment and its results several; "
            f"wrap it as a gymnasium.vector.VectorEnv, or serve single environments with factory="
        )
    if _has_all(env, "step_async", "step_wait", "env_method", "num_envs"):
        return (
            f"{name} is a VecEnv of Stable-Baselines3, which is no vector of Gymnasium; pass its "
            f"environments as a list, EnvServer([env, ...]), or a gymnasium.vector.SyncVectorEnv"
        )
    if callable(env) and not _has_all(env, "step"):
        made = getattr(env, "__name__", "make_env").strip("<>")
        return f"it is a function; pass factory={made}, or what it makes, EnvServer({made}())"
    if _is_of(env, "gym"):
        return (
            f"{name} is an environment of the legacy gym package; convert it to Gymnasium, for "
            f"example with shimmy (shimmy.GymV26CompatibilityV0(env=env))"
        )
    return None


def _has_all(env: Any, *names: str) -> bool:
    """Return whether it has attributes of its own; properties and `__getattr__` are not called."""
    return all(_static(env, name) is not None for name in names)


def _static(env: Any, name: str) -> Any:
    return inspect.getattr_static(env, name, None)


def _is_of(env: Any, library: str) -> bool:
    """Return whether a class of the object comes from a library."""
    return any(cls.__module__.partition(".")[0] == library for cls in type(env).__mro__)
