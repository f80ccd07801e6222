"""Calls and attributes of an environment that its server exposes, and no others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from rlmesh._messages import env as m

__all__ = ["ExposedAttributes", "check_names"]


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that may be exposed.

    Raises:
        TypeError: If a name is not a string, or `names` is one string.
        ValueError: If a name cannot be that of an attribute.
    """
    if isinstance(names, str):
        raise TypeError(f"expose={names!r}; expected several names, such as expose=[{names!r}]")
    names = tuple(dict.fromkeys(names))
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"expose names attributes by strings, got {name!r}")
        if not name.isidentifier():
            raise ValueError(f"expose names attributes, got {name!r}")
    return names


class ExposedAttributes:
    """Reads, writes and calls what is exposed of an environment, wrapped or not.

    Gymnasium's own access is used if there is one: `get_wrapper_attr` and `set_wrapper_attr` of
    a single environment; `call`, `get_attr` and `set_attr` of a vector.

    Args:
        env: The environment.
        vector: Whether it is a vector.
        names: Names of the exposed attributes.
    """

    def __init__(self, env: Any, vector: bool, names: tuple[str, ...]) -> None:
        self._env = env
        self._vector = vector
        self._names = names

    def refusal(self, name: str) -> m.Failure | None:
        """Return the refusal of a name; None if it is exposed."""
        if name in self._names:
            return None
        there = f"there are {', '.join(self._names)}" if self._names else "there is none"
        words = f"N-11: the server does not expose {name!r:.200}; {there}"
        message = f"{words} (EnvServer(expose=[...]))"
        return m.Failure(m.ErrorCode.NOT_EXPOSED, message, choices=self._names)

    def call(self, body: m.Call) -> m.Called:
        """Return the result of a method; if the attribute is not a method, its value."""
        if self._vector:
            return m.Called(tuple(self._env.call(body.name, *body.args, **body.kwargs)))
        found = self._find(body.name)
        if callable(found):
            return m.Called(found(*body.args, **body.kwargs))
        if body.args or body.kwargs:
            raise TypeError(f"{body.name} is no method and takes no arguments")
        return m.Called(found)

    def get(self, body: m.GetAttribute) -> m.Attribute:
        """Return the value of an attribute."""
        if self._vector:
            return m.Attribute(tuple(self._env.get_attr(body.name)))
        found = self._find(body.name)
        return m.Attribute(callable=True) if callable(found) else m.Attribute(found)

    def set(self, body: m.SetAttribute) -> m.Reply:
        """Set an attribute; a method is not replaced, so that later sessions have it too."""
        if self._is_method(body.name):
            words = f"N-11: {body.name} is a method: it may be called, and not be replaced"
            return m.Failure(m.ErrorCode.UNSUPPORTED, words)
        if self._vector:
            self._env.set_attr(body.name, body.value)
        elif hasattr(self._env, "set_wrapper_attr"):
            self._env.set_wrapper_attr(body.name, body.value)
        else:
            setattr(self._env, body.name, body.value)
        return m.AttributeSet()

    def _is_method(self, name: str) -> bool:
        # A vector would call it, where it is asked for an attribute.
        envs = [*getattr(self._env, "envs", ()), self._env] if self._vector else [self._env]
        for env in envs:
            through_wrappers = getattr(env, "get_wrapper_attr", None)
            with contextlib.suppress(AttributeError):
                found = getattr(env, name) if through_wrappers is None else through_wrappers(name)
                if callable(found):
                    return True
        return False

    def _find(self, name: str) -> Any:
        through_wrappers = getattr(self._env, "get_wrapper_attr", None)
        return getattr(self._env, name) if through_wrappers is None else through_wrappers(name)
