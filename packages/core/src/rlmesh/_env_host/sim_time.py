"""`SimTime`: the time of an environment's simulation, which its answers state (N-16)."""

from __future__ import annotations

import math
from numbers import Real
from operator import attrgetter
from typing import Any

from rlmesh.errors import InvalidValueError

__all__ = ["SimTime"]


class SimTime:
    """Reads the time of a simulation from an attribute of its environment.

    Args:
        env: The environment.
        path: Path of the attribute, with dots ("unwrapped.data.time"); empty: there is none.

    Raises:
        ValueError: If the environment has no such attribute, as far as is known before its first
            reset, in which it may make its simulation.
    """

    def __init__(self, env: Any, path: str) -> None:
        self._env = env
        self._path = path
        self._get = attrgetter(path) if path else None
        first = path.partition(".")[0]
        if path and not hasattr(env, first):
            raise ValueError(f"sim_time={path!r}: {type(env).__name__} has no attribute {first!r}")

    def read(self) -> float | None:
        """Return the time in seconds; None if there is no attribute.

        Raises:
            InvalidValueError: If the attribute is missing, or not a finite number.
        """
        if self._get is None:
            return None
        try:
            value = self._get(self._env)
        except Exception as error:
            words = f"{type(error).__name__}: {error}"
            raise InvalidValueError("sim_time", f"an attribute {self._path}", words) from error
        if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        raise InvalidValueError("sim_time", "a finite number of seconds", f"{value!r:.60}")
