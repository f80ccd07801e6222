"""Conversion to and from Gymnasium's spaces, delegated to rlmesh-numpy."""

from __future__ import annotations

import importlib
from typing import Any, cast

from rlmesh.spaces._base import Space

__all__ = ["from_gymnasium", "to_gymnasium"]


def from_gymnasium(space: Any) -> Space[Any]:
    """Return the RLMesh space that equals a `gymnasium.Space`.

    Raises:
        ImportError: If rlmesh-numpy is not installed.
        SpaceError: If the contract has no such space.
    """
    return cast("Space[Any]", _bridge().spaces_from_gymnasium(space))


def to_gymnasium(space: Space[Any]) -> Any:
    """Return the `gymnasium.Space` that equals an RLMesh space.

    Raises:
        ImportError: If rlmesh-numpy is not installed.
        SpaceError: If Gymnasium has no such space.
    """
    return _bridge().spaces_to_gymnasium(space)


def _bridge() -> Any:
    try:
        return importlib.import_module("rlmesh_numpy")
    except ImportError as error:
        if error.name != "rlmesh_numpy":
            raise
        raise ImportError(
            'Gymnasium spaces need rlmesh-numpy: pip install "rlmesh-core[gymnasium]"',
            name="rlmesh_numpy",
        ) from error
