"""Environments of old and new gym, and of none, with one interface."""

import collections.abc
import inspect
from typing import Any, Dict, List, Tuple

import numpy as np

from rlmesh_thin._version import __version__
from rlmesh_thin.containers import PartsSpace, check_space
from rlmesh_thin.convert import box_space, convert_space, guess_space
from rlmesh_thin.dynamic import DynamicWriter
from rlmesh_thin.faults import INVALID_RESULT, Fault
from rlmesh_thin.output import note
from rlmesh_thin.wire import field_blob, field_double, field_uint

__all__ = ["Environment"]


def _layers(env: Any) -> List[Any]:
    """Return an environment and those that it wraps."""
    layers = [env]
    while len(layers) < 100:
        inner = vars(layers[-1]).get("env") if hasattr(layers[-1], "__dict__") else None
        if inner is None:
            break
        layers.append(inner)
    return layers


def _takes(env: Any, method: str, name: str) -> bool:
    """Return whether a method takes a keyword, through wrappers that pass any on."""
    for layer in _layers(env):
        try:
            parameters = inspect.signature(getattr(layer, method)).parameters
        except (AttributeError, TypeError, ValueError):
            return False
        if name in parameters:
            return True
        if not any(p.kind == p.VAR_KEYWORD for p in parameters.values()):
            return False
    return True


def _invalid(path: str, expected: str, actual: Any) -> Fault:
    actual = "a %s: %.60r" % (type(actual).__name__, actual)
    text = "%s: expected %s, got %s" % (path, expected, actual)
    return Fault(INVALID_RESULT, text, path, expected=expected, actual=actual)


class Environment:
    """An environment, and what the contract states of it.

    Args:
        env: The environment.
        spaces: Makes its spaces of observations and actions, given the environment; either may be
            None. None: they are its own, or guessed.
        done: What `done` of an old step means if its info does not state it: "terminated" or
            "truncated".

    Attributes:
        observation_space: Space of its observations.
        action_space: Space of its actions.
        can_render: Whether it has a method `render`.

    Raises:
        Fault: If it has a space that the contract has not, or none that can be guessed.
    """

    def __init__(self, env: Any, spaces: Any = None, done: str = "terminated") -> None:
        self.env = env
        self._done = done
        self._takes = {name for name in ("seed", "options") if _takes(env, "reset", name)}
        self.can_render = callable(getattr(env, "render", None))
        given = spaces(env) if spaces is not None else (None, None)
        found = [
            getattr(env, name, None) if space is None else space
            for name, space in zip(("observation_space", "action_space"), given)
        ]
        self.action_space = (
            self._actions() if found[1] is None else convert_space(found[1], "action")
        )
        self.observation_space: Any = None
        if found[0] is None:
            note("the environment has no observation_space; after one reset it is taken to be")
            observation = self.reset(None, None)[0]
            self.observation_space = check_space(guess_space(observation, "observation", note))
        else:
            self.observation_space = convert_space(found[0], "observation")
        if not self.can_render:
            self._mode = ""
        elif getattr(env, "render_mode", None) is None and _takes(env, "render", "mode"):
            self._mode = "rgb_array"
        else:
            self._mode = str(getattr(env, "render_mode", None) or "")

    def _actions(self) -> Any:
        """Return the space of actions from `action_spec`, a pair of arrays as robosuite has it."""
        for layer in _layers(self.env):
            spec = getattr(layer, "action_spec", None)
            if isinstance(spec, tuple) and len(spec) == 2:
                low, high = (np.asarray(end) for end in spec)
                note("action: %s of shape %s, from action_spec" % (low.dtype, low.shape))
                return box_space("action", low, high.astype(low.dtype))
        text = "expected an action_space or action_spec, got none; name one with --spaces"
        raise Fault(INVALID_RESULT, text, "action_space")

    def contract(self, exposed: Any) -> bytes:
        """Return the encoded EnvContract."""
        env, spec = self.env, getattr(self.env, "spec", None)
        metadata = dict(getattr(env, "metadata", None) or {})
        modes = metadata.pop("render_modes", None) or metadata.pop("render.modes", None) or ()
        fps = metadata.pop("render_fps", None) or metadata.pop("video.frames_per_second", None)
        render = field_blob(1, self._mode) + b"".join(field_blob(2, str(mode)) for mode in modes)
        if isinstance(fps, (int, float)):
            render += field_double(3, float(fps))
        name = getattr(spec, "id", None) or type(getattr(env, "unwrapped", env)).__name__
        data = field_blob(1, str(name)) + field_blob(2, __version__)
        data += field_blob(3, self.observation_space.proto)
        data += field_blob(4, self.action_space.proto) + field_uint(5, 1)
        data += field_blob(8, render)
        writer = DynamicWriter("metadata", lambda path, reason: None)
        data += field_blob(9, writer.map(metadata))
        if spec is not None:
            data += field_blob(11, _registration(spec))
        data += b"".join(field_blob(12, name) for name in exposed)
        try:
            low, high = (float(end) for end in env.reward_range)
        except (AttributeError, TypeError, ValueError):
            return data
        if low <= high:
            data += field_blob(13, field_double(1, low) + field_double(2, high))
        return data

    def reset(self, seed: Any, options: Any) -> Tuple[Any, Any]:
        """Start an episode and return observation and info, which is empty if there is none.

        A seed or options that the environment does not take are not passed (N-5).
        """
        arguments = {}
        if seed is not None:
            if "seed" in self._takes:
                arguments["seed"] = seed
            elif callable(getattr(self.env, "seed", None)):
                self.env.seed(seed)
        if options is not None and "options" in self._takes:
            arguments["options"] = options
        result = self.env.reset(**arguments)
        if isinstance(result, tuple) and len(result) == 2:
            observation, info = result
            # A pair may be an observation too, and then has no observation of a pair before it.
            space = self.observation_space
            pair = isinstance(space, PartsSpace) and not space.named and len(space.keys) == 2
            if isinstance(info, collections.abc.Mapping) and (
                not pair or isinstance(observation, (tuple, list))
            ):
                return observation, info
        return result, {}

    def step(self, action: Any) -> Tuple[Any, float, bool, bool, Any]:
        """Return observation, reward, terminated, truncated and info of a step.

        Raises:
            Fault: If the environment returns neither four nor five values, or wrong ones.
        """
        result = self.env.step(action)
        if not isinstance(result, tuple) or len(result) not in (4, 5):
            raise _invalid("step()", "4 or 5 values, as gym and Gymnasium have them", result)
        observation, reward, info = result[0], result[1], result[-1]
        if not isinstance(info, collections.abc.Mapping):
            raise _invalid("step()", "an info that is a dict", info)
        if len(result) == 5:
            terminated, truncated = _flag(result[2], "terminated"), _flag(result[3], "truncated")
        else:
            done = _flag(result[2], "done")
            cut = info.get("TimeLimit.truncated", self._done == "truncated")
            truncated = done and bool(cut)
            terminated = done and not truncated
        if type(reward) is not float:
            reward = _reward(reward)
        return observation, reward, terminated, truncated, info

    def render(self) -> Any:
        """Return what the environment draws."""
        if getattr(self.env, "render_mode", None) is None and _takes(self.env, "render", "mode"):
            return self.env.render(mode="rgb_array")
        return self.env.render()

    def attribute(self, name: str, *default: Any) -> Any:
        """Return an attribute of the environment, or of one that it wraps."""
        through = getattr(self.env, "get_wrapper_attr", None)
        try:
            return getattr(self._owner(name), name) if through is None else through(name)
        except AttributeError:
            if default:
                return default[0]
            raise

    def call(self, name: str, args: List[Any], kwargs: Dict[str, Any]) -> Any:
        """Return the result of a method, or the value of an attribute that is none."""
        found = self.attribute(name)
        if callable(found):
            return found(*args, **kwargs)
        if args or kwargs:
            raise TypeError("%s is no method and takes no arguments" % name)
        return found

    def set_attribute(self, name: str, value: Any) -> None:
        """Set an attribute where it is: of the environment, or of one that it wraps."""
        through = getattr(self.env, "set_wrapper_attr", None)
        if through is not None:
            through(name, value)
        else:
            setattr(self._owner(name), name, value)

    def _owner(self, name: str) -> Any:
        for layer in _layers(self.env):
            if hasattr(type(layer), name) or name in getattr(layer, "__dict__", ()):
                return layer
        return self.env

    def close(self) -> None:
        """Close the environment; an exception in that is reported."""
        try:
            getattr(self.env, "close", lambda: None)()
        except Exception as error:
            note("close() raised %s: %s" % (type(error).__name__, error))


def _flag(value: Any, name: str) -> bool:
    if value is True or value is False:
        return bool(value)
    try:
        if not isinstance(value, (str, bytes)) and (value == 0 or value == 1):
            return bool(value)
    except (TypeError, ValueError):
        pass
    raise _invalid(name, "a bool", value)


def _reward(value: Any) -> float:
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        return float(value.item() if getattr(value, "ndim", 0) else value)
    except (TypeError, ValueError):
        raise _invalid("reward", "one number", value) from None


def _registration(spec: Any) -> bytes:
    """Return the encoded Registration of what a registry states of an environment."""
    data = b""
    steps = getattr(spec, "max_episode_steps", None)
    if isinstance(steps, int) and 0 <= steps < 1 << 64:
        data += field_uint(1, steps)
    threshold = getattr(spec, "reward_threshold", None)
    if isinstance(threshold, (int, float)):
        data += field_double(2, float(threshold))
    if getattr(spec, "nondeterministic", False):
        data += field_uint(3, 1)
    kwargs = getattr(spec, "kwargs", None) or getattr(spec, "_kwargs", None)
    if isinstance(kwargs, collections.abc.Mapping):
        writer = DynamicWriter("kwargs", lambda path, reason: None)
        data += field_blob(4, writer.map(kwargs))
    return data
