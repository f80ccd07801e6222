"""Clients of environments in NumPy values."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from rlmesh_numpy._backend import BACKEND
from rlmesh_numpy.gym import GymnasiumRemoteEnv, GymnasiumRemoteVectorEnv

__all__ = ["RemoteEnv", "RemoteVectorEnv"]


class RemoteEnv(GymnasiumRemoteEnv[npt.NDArray[Any]]):
    """A served environment as a `gymnasium.Env` of NumPy arrays; see `GymnasiumRemoteEnv`."""

    _backend = BACKEND


class RemoteVectorEnv(GymnasiumRemoteVectorEnv[npt.NDArray[Any]]):
    """A served vector as a `gymnasium.vector.VectorEnv` of NumPy arrays.

    See `GymnasiumRemoteVectorEnv`.
    """

    _backend = BACKEND
