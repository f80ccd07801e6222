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
        ValueError: If the environment has no such attribute.
    """

    def __init__(self, env: Any, path: str) -> None:
        self._env = env
        self._get = attrgetter(path) if path else None
        if self._get is None:
            return
        try:
            self._get(env)
        except AttributeError as error:
            raise ValueError(f"sim_time={path!r} of {type(env).__name__}: {error}") from None

    def read(self) -> float | None:
        """Return the time in seconds; None if there is no attribute.

        Raises:
            InvalidValueError: If the attribute is not a finite number.
        """
        if self._get is None:
            return None
        value = self._get(self._env)
        if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        raise InvalidValueError("sim_time", "a finite number of seconds", f"{value!r:.60}")
