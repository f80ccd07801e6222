"""What a recorder asks of an environment that it is told of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from rlmesh.spaces import Space, from_gymnasium

__all__ = ["fps_of", "spaces_of"]


def spaces_of(env: Any) -> tuple[Space[Any], Space[Any]]:
    """Spaces of one observation and of one action, also of one lane of a vector.

    Raises:
        TypeError: If the environment has none.
    """
    source = getattr(env, "env_contract", None) or env
    found: list[Space[Any]] = []
    for name in ("observation_space", "action_space"):
        # An empty Dict is a space that is false.
        space = getattr(source, f"single_{name}", getattr(source, name, None))
        if space is None:
            raise TypeError(f"expected an environment, but {type(env).__name__} has no {name}")
        found.append(space if isinstance(space, Space) else from_gymnasium(space))
    return found[0], found[1]


def fps_of(env: Any) -> float | None:
    """Frames a second by the contract, else by the metadata; None: not said."""
    contract = getattr(env, "env_contract", None)
    metadata = getattr(env, "metadata", None)
    said = getattr(contract, "render_fps", None)
    if said is None and isinstance(metadata, Mapping):
        said = metadata.get("render_fps")
    rate = float(said) if isinstance(said, Real) else 0.0  # NumPy's numbers are such too.
    return rate if 0 < rate < math.inf else None
