"""What an environment is: its spaces, its contract, and how its methods want to be called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from numbers import Real
from typing import Any

from rlmesh._env_host import facts
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.adapters import EnvTags, tag_problems
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import SpaceError
from rlmesh.spaces import Space, from_gymnasium
from rlmesh.specs import EnvContract, Registration

__all__ = ["DescribedEnv", "describe_env"]


@dataclass(frozen=True)
class DescribedEnv:
    """An environment and what is known of it.

    Attributes:
        env: The environment.
        contract: Contract that clients receive.
        observation_backend: Backend that encodes its observations.
        action_backend: Backend that makes its actions.
        reset_names: Keyword arguments that its `reset` takes, of "seed" and "options".
    """

    env: Any
    contract: EnvContract
    observation_backend: ArrayBackend
    action_backend: ArrayBackend
    reset_names: frozenset[str]


def describe_env(
    env: Any,
    tags: EnvTags | None = None,
    backend: ArrayBackend | None = None,
    exposed: tuple[str, ...] = (),
) -> DescribedEnv:
    """Find out what `env` is.

    Args:
        env: A single or vector environment, Gymnasium's or of the same shape.
        tags: What the leaves of its spaces mean.
        backend: Backend of its actions and observations; None: that of its spaces. In results,
            values of the other libraries are taken too.
        exposed: Names that remote attribute calls reach.

    Raises:
        TypeError: If it lacks a space or a method.
        ValueError: If the tags do not fit its spaces, with every problem; or if its metadata or
            another fact that it states of itself has a value that the contract cannot have.
        SpaceError: If a space is of a kind that the contract does not have.
        ImportError: If it is Gymnasium's and rlmesh-numpy is not installed.
    """
    vector = hasattr(env, "num_envs") and hasattr(env, "single_observation_space")
    prefix = "single_" if vector else ""
    _check_shape(env, prefix)
    observation_space, observation_backend = _space_of(env, f"{prefix}observation_space")
    action_space, action_backend = _space_of(env, f"{prefix}action_space")
    problems = () if tags is None else tag_problems(tags, observation_space, action_space)
    if problems:
        raise ValueError("tags: " + "; ".join(map(str, problems)))
    metadata = facts.read_metadata(getattr(env, "metadata", None))
    modes = facts.read_render_modes(metadata.pop("render_modes", None))
    fps = facts.read_render_fps(metadata.pop("render_fps", None))
    mode = metadata.pop("autoreset_mode", None)
    contract = EnvContract(
        id=_id_of(env),
        observation_space=observation_space,
        action_space=action_space,
        num_envs=facts.read_num_envs(env.num_envs) if vector else 1,
        vector=vector,
        autoreset_mode=facts.read_autoreset_mode(mode) if vector else None,
        render_mode=facts.read_text("render_mode", getattr(env, "render_mode", None)),
        render_modes=modes,
        render_fps=fps,
        metadata=metadata,
        tags=tags,
        registration=_registration(getattr(env, "spec", None)),
        exposed=exposed,
        reward_range=_reward_range(env),
        spec_version=SPEC_VERSION,
    )
    return DescribedEnv(
        env,
        contract,
        backend or observation_backend,
        backend or action_backend,
        _keywords(env.reset),
    )


def _check_shape(env: Any, prefix: str) -> None:
    needed = [f"{prefix}observation_space", f"{prefix}action_space", "reset", "step", "close"]
    missing = [name for name in needed if not hasattr(env, name)]
    if missing:
        raise TypeError(
            f"{type(env).__name__} cannot be served: it has no {', '.join(missing)}; see "
            f"rlmesh.types.EnvLike"
        )


def _space_of(env: Any, name: str) -> tuple[Space[Any], ArrayBackend]:
    """Return the space as ours, and the backend of its values."""
    space = getattr(env, name)
    if isinstance(space, Space):
        return space, NATIVE
    families = {cls.__module__.partition(".")[0] for cls in type(space).__mro__}
    if "gymnasium" in families:
        try:
            native = from_gymnasium(space)
        except SpaceError as error:
            words = error.message.removeprefix(f"{error.path}: ")
            raise SpaceError(words, path=name + error.path) from None
        from rlmesh_numpy._backend import BACKEND

        return native, BACKEND
    if "gym" in families:
        raise SpaceError(
            f"{name} is a space of the legacy gym package; convert the environment to Gymnasium "
            f"(shimmy does)"
        )
    raise SpaceError(
        f"{name} is a {type(space).__module__}.{type(space).__name__}; expected a space of "
        f"rlmesh.spaces or gymnasium.spaces"
    )


def _id_of(env: Any) -> str:
    spec_id = getattr(getattr(env, "spec", None), "id", None)
    if isinstance(spec_id, str) and spec_id:
        return spec_id
    return type(getattr(env, "unwrapped", env)).__name__


def _registration(spec: Any) -> Registration | None:
    if spec is None:
        return None
    kwargs = getattr(spec, "kwargs", None)
    return Registration(
        max_episode_steps=facts.read_max_episode_steps(
            "spec.max_episode_steps", getattr(spec, "max_episode_steps", None)
        ),
        reward_threshold=facts.read_number(
            "spec.reward_threshold", getattr(spec, "reward_threshold", None)
        ),
        nondeterministic=bool(getattr(spec, "nondeterministic", False)),
        kwargs=_plain(kwargs) if isinstance(kwargs, Mapping) else {},
    )


def _reward_range(env: Any) -> tuple[float, float] | None:
    """Return the environment's range of rewards; None if it has none that can be true.

    Gymnasium's own environments no longer have it, and wrappers do not pass it on. It is looked
    for below those that leave the reward as it is: beyond others it may be that of another reward.
    """
    while not hasattr(env, "reward_range"):
        if not _leaves_the_reward(type(env)):
            return None
        env = env.env
    try:
        low, high = env.reward_range
        if not all(isinstance(end, Real) and not isinstance(end, bool) for end in (low, high)):
            return None
        low, high = float(low), float(high)
    except (TypeError, ValueError, OverflowError):  # No pair, or a number that no float holds.
        return None
    return (low, high) if low <= high else None


def _leaves_the_reward(cls: type) -> bool:
    """Return whether it is a wrapper of one of Gymnasium's kinds that changes no reward."""
    wraps = any((c.__module__, c.__name__) == ("gymnasium.core", "Wrapper") for c in cls.__mro__)
    if not wraps or hasattr(cls, "reward"):
        return False
    steps = next(c.__module__ for c in cls.__mro__ if "step" in vars(c))
    return steps in ("gymnasium.core", "gymnasium.wrappers.common")


def _plain(value: Any) -> Any:
    """Return `value` with enums, such as an AutoresetMode, replaced by their values."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return value.value if isinstance(value, Enum) else value


def _keywords(reset: Callable[..., Any]) -> frozenset[str]:
    """Return which of seed and options `reset` takes; both if the signature does not show it."""
    both = frozenset({"seed", "options"})
    try:
        parameters = inspect.signature(reset).parameters
    except (TypeError, ValueError):
        return both
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return both
    return both & parameters.keys()
