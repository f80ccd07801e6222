"""Facts about an environment that a recorder needs: its spaces and its images per second."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from rlmesh.spaces import Space, from_gymnasium

__all__ = ["fps_of", "spaces_of"]


def spaces_of(env: Any) -> tuple[Space[Any], Space[Any]]:
    """Return the spaces of one observation and of one action; of a vector, those of one lane.

    Raises:
        TypeError: If the environment has none.
    """
    source = getattr(env, "env_contract", None) or env
    found: list[Space[Any]] = []
    for name in ("observation_space", "action_space"):
        # Not `or`, because an empty Dict is falsy.
        space = getattr(source, f"single_{name}", getattr(source, name, None))
        if space is None:
            raise TypeError(f"expected an environment, but {type(env).__name__} has no {name}")
        found.append(space if isinstance(space, Space) else from_gymnasium(space))
    return found[0], found[1]


def fps_of(env: Any) -> float | None:
    """Return the images per second from the contract, else from the metadata, or None."""
    contract = getattr(env, "env_contract", None)
    metadata = getattr(env, "metadata", None)
    value = getattr(contract, "render_fps", None)
    if value is None and isinstance(metadata, Mapping):
        value = metadata.get("render_fps")
    rate = float(value) if isinstance(value, Real) else 0.0  # NumPy's numbers are Real too.
    return rate if 0 < rate < math.inf else None
