"""Description of an environment: its spaces, its contract, and the arguments that it takes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

from rlmesh._codec import SpaceCodec, Validation
from rlmesh._codec.adapted import AdaptedCodec
from rlmesh._env_host import facts
from rlmesh._env_host.unservable import advice_for
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.adapters import TAGS_ATTRIBUTE, EnvTags, tag_problems
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import SpaceError
from rlmesh.spaces import Space, from_gymnasium
from rlmesh.spaces._value_size import check_value_size
from rlmesh.specs import EnvContract, Registration

if TYPE_CHECKING:
    from rlmesh.adapters._view import ObservationView

__all__ = ["RESET_NAMES", "DescribedEnv", "describe_env", "reset_arguments"]


_MAX_WRAPPERS = 100

RESET_NAMES = frozenset({"seed", "options"})
"""Keyword arguments of Gymnasium's `reset`."""


def reset_arguments(names: frozenset[str], seed: Any = None, options: Any = None) -> dict[str, Any]:
    """Return the keyword arguments of an environment's `reset`.

    An argument that was not passed is left out if the environment does not take it, and one that
    was given is passed on, so that the environment's own error reaches the caller.
    """
    given = {"seed": seed, "options": options}
    return {name: value for name, value in given.items() if value is not None or name in names}


@dataclass(frozen=True)
class DescribedEnv:
    """An environment and what is known of it.

    Attributes:
        env: The environment.
        contract: Contract that clients receive.
        observation_backend: Backend that encodes its observations.
        action_backend: Backend that makes its actions.
        reset_names: Keyword arguments that its `reset` takes, of "seed" and "options".
        adapt_observation: Converts an observation to one of the contract's space; None: it is one.
        adapt_action: Converts an action of the contract's space to one of the environment's.
    """

    env: Any
    contract: EnvContract
    observation_backend: ArrayBackend
    action_backend: ArrayBackend
    reset_names: frozenset[str]
    adapt_observation: Callable[[Any], Any] | None = None
    adapt_action: Callable[[Any], Any] | None = None

    def observation_codec(
        self, validation: Validation, view: ObservationView | None = None
    ) -> SpaceCodec:
        """Return the codec that encodes the environment's observations.

        Args:
            validation: What to do with observations outside their space.
            view: The parts that are encoded; None: whole observations.

        Raises:
            InvalidValueError: If the view does not fit the observation space.
            ImportError: If a library that a change of an image needs is not installed.
        """
        space, backend = self.contract.observation_space, self.observation_backend
        if view is not None:
            from rlmesh._codec.viewed import ViewCodec
            from rlmesh.adapters._viewed import resolve_view

            return ViewCodec(
                resolve_view(space, view),
                backend,
                self.adapt_observation,
                root="observation",
                validation=validation,
            )
        return _codec(space, backend, self.adapt_observation, "observation", validation)

    def action_codec(self, validation: Validation) -> SpaceCodec:
        """Return the codec that decodes the environment's actions."""
        space, backend = self.contract.action_space, self.action_backend
        return _codec(space, backend, self.adapt_action, "action", validation)


def _own_tags(env: Any) -> EnvTags | None:
    """Return the tags that an environment, or one within its wrappers, has as an attribute.

    Raises:
        TypeError: If the attribute is something else.
    """
    inner = env
    for _ in range(_MAX_WRAPPERS):
        found = getattr(inner, TAGS_ATTRIBUTE, None)
        if isinstance(found, EnvTags):
            return found
        # An object may answer to every name; only an attribute that was set is meant as tags.
        if inspect.getattr_static(inner, TAGS_ATTRIBUTE, None) is not None:
            kind = type(found).__name__
            raise TypeError(f"{TAGS_ATTRIBUTE}: expected rlmesh.adapters.EnvTags, got a {kind}")
        lanes = getattr(inner, "envs", None)
        # All environments of a vector are alike.
        if isinstance(lanes, (list, tuple)) and lanes:
            inner = lanes[0]
        else:
            inner = getattr(inner, "env", None)
        if inner is None:
            break
    return None


def _codec(
    space: Space[Any],
    backend: ArrayBackend,
    adapt: Callable[[Any], Any] | None,
    root: str,
    validation: Validation,
) -> SpaceCodec:
    if adapt is None:
        return SpaceCodec(space, backend, root=root, validation=validation)
    return AdaptedCodec(space, backend, adapt, root=root, validation=validation)


def describe_env(
    env: Any,
    tags: EnvTags | None = None,
    backend: ArrayBackend | None = None,
    exposed: tuple[str, ...] = (),
) -> DescribedEnv:
    """Find out what `env` is.

    Args:
        env: A single or vector environment, Gymnasium's or of the same shape.
        tags: What the leaves of its spaces mean; None: its attribute `rlmesh_tags`, or that of the
            environment within its wrappers.
        backend: Backend of its actions and observations; None: that of its spaces. In results,
            values of the other libraries are taken too.
        exposed: Names that remote attribute calls reach.

    Raises:
        TypeError: If it lacks a space or a method, or is no environment; names what to pass.
        ValueError: If the tags do not fit its spaces, with every problem; or if its metadata or
            another fact that it states of itself has a value that the contract cannot have.
        SpaceError: If a space is of a kind that the contract does not have, or its values are too
            large for a message.
        ImportError: If it is Gymnasium's and rlmesh-numpy is not installed.
    """
    if not _is_gymnasiums(env):
        advice = advice_for(env)
        if advice is not None:
            raise TypeError(f"this cannot be served as an environment: {advice}")
    vector = hasattr(env, "num_envs") and hasattr(env, "single_observation_space")
    prefix = "single_" if vector else ""
    _check_shape(env, prefix)
    observation_space, observation_backend = _space_of(env, f"{prefix}observation_space")
    action_space, action_backend = _space_of(env, f"{prefix}action_space")
    _check_actions(getattr(env, f"{prefix}action_space"), f"{prefix}action_space")
    _check_rewards(env)
    given = "tags"
    if tags is None:
        given, tags = TAGS_ATTRIBUTE, _own_tags(env)
    problems = () if tags is None else tag_problems(tags, observation_space, action_space)
    if problems:
        raise ValueError(f"{given}: " + "; ".join(map(str, problems)))
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
    if vector:
        _check_lanes(env)
    for name, space in (("observation_space", observation_space), ("action_space", action_space)):
        check_value_size(space, contract.num_envs, f"{prefix}{name}")
    return DescribedEnv(
        env,
        contract,
        backend or observation_backend,
        backend or action_backend,
        _keywords(env.reset),
        _adapter(env, f"{prefix}observation_space", "encode", vector),
        _adapter(env, f"{prefix}action_space", "decode", vector),
    )


def _check_shape(env: Any, prefix: str) -> None:
    needed = [f"{prefix}observation_space", f"{prefix}action_space", "reset", "step", "close"]
    missing = [name for name in needed if not hasattr(env, name)]
    if missing:
        raise TypeError(
            f"{type(env).__name__} cannot be served: it has no {', '.join(missing)}; see "
            f"rlmesh.types.EnvLike"
        )


def _check_rewards(env: Any) -> None:
    """Raise SpaceError for an environment of several objectives, such as MO-Gymnasium's."""
    space = getattr(getattr(env, "unwrapped", env), "reward_space", None)
    shape = getattr(space, "shape", None) or ()
    if math.prod(shape) > 1:
        raise SpaceError(
            f"reward_space is {space}: {math.prod(shape)} rewards a step; the contract has one. "
            f"Combine them in a wrapper (mo_gymnasium.wrappers.LinearReward) or return them in info"
        )


def _check_actions(space: Any, name: str) -> None:
    """Raise SpaceError for a space of actions that is known by its samples alone.

    The space that stands for it has more values, which a client would send.
    """
    if not _is_gymnasium(space):
        return
    from rlmesh_numpy._custom_spaces import guessed_space

    found = guessed_space(space)
    if found is not None:
        cls = type(found)
        raise SpaceError(
            f"{name}: what actions a {cls.__module__}.{cls.__name__} takes is not known; register "
            f"the space that has them: rlmesh.numpy.register_space({cls.__name__}, to_standard)"
        )


def _check_lanes(env: Any) -> None:
    """Raise SpaceError for a vector with lanes of different spaces, which the contract lacks."""
    batched = getattr(env, "observation_space", None)
    if not (_is_gymnasium(batched) and _is_gymnasium(env.single_observation_space)):
        return
    from rlmesh_numpy._lane_spaces import differing_part

    path = differing_part(batched, env.single_observation_space)
    if path is not None:
        raise SpaceError(
            "the lanes of the vector have different spaces (observation_mode='different'); the "
            "contract has one for all lanes: pass observation_mode=(batched, single) with bounds "
            "that hold for each, or serve single environments",
            path=f"observation_space{path}",
        )


def _space_of(env: Any, name: str) -> tuple[Space[Any], ArrayBackend]:
    """Return the space as ours, and the backend of its values."""
    space = getattr(env, name)
    if isinstance(space, Space):
        return space, NATIVE
    if _is_gymnasium(space):
        try:
            native = from_gymnasium(space)
        except SpaceError as error:
            words = error.message.removeprefix(f"{error.path}: ")
            raise SpaceError(words, path=name + error.path) from None
        from rlmesh_numpy._backend import BACKEND

        return native, BACKEND
    if "gym" in _libraries(space):
        raise SpaceError(
            f"{name} is a space of the legacy gym package; convert the environment to Gymnasium "
            f"(shimmy does)"
        )
    raise SpaceError(
        f"{name} is a {type(space).__module__}.{type(space).__name__}; expected a space of "
        f"rlmesh.spaces or gymnasium.spaces"
    )


def _adapter(
    env: Any, name: str, direction: Literal["encode", "decode"], vector: bool
) -> Callable[[Any], Any] | None:
    """Return the conversion that `register_space` was given for the values of a space.

    Raises:
        SpaceError: If they are those of a vector: a batch of such values has no known form.
    """
    if not _is_gymnasium(getattr(env, name)):
        return None
    from rlmesh_numpy._custom_spaces import value_adapter

    adapter = value_adapter(getattr(env, name), direction)
    if vector and adapter is not None:
        raise SpaceError(
            f"{name}: values that a registered function converts cannot be served as a vector; "
            f"serve single environments with EnvServer(factory=...)"
        )
    return adapter


def _is_gymnasiums(env: Any) -> bool:
    """Return whether it is an instance of Gymnasium's Env or VectorEnv, whatever else it has."""
    bases = ("Env", "VectorEnv", "Wrapper", "VectorWrapper")
    return not inspect.isclass(env) and any(
        cls.__module__.partition(".")[0] == "gymnasium" and cls.__name__ in bases
        for cls in type(env).__mro__
    )


def _is_gymnasium(space: Any) -> bool:
    return "gymnasium" in _libraries(space)


def _libraries(space: Any) -> set[str]:
    """Return the names of the packages that the classes of a space come from."""
    return {cls.__module__.partition(".")[0] for cls in type(space).__mro__}


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
    try:
        parameters = inspect.signature(reset).parameters
    except (TypeError, ValueError):
        return RESET_NAMES
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return RESET_NAMES
    return RESET_NAMES & parameters.keys()
