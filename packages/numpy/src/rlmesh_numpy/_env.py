"""Clients of environments in NumPy values."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy.typing as npt

from rlmesh.errors import UnsupportedError
from rlmesh_numpy._backend import BACKEND
from rlmesh_numpy.gym import GymnasiumRemoteEnv, GymnasiumRemoteVectorEnv

__all__ = ["RemoteEnv", "RemoteVectorEnv", "make_remote_vector"]


class RemoteEnv(GymnasiumRemoteEnv[npt.NDArray[Any]]):
    """A served environment as a `gymnasium.Env` of NumPy arrays; see `GymnasiumRemoteEnv`."""

    _backend = BACKEND


class RemoteVectorEnv(GymnasiumRemoteVectorEnv[npt.NDArray[Any]]):
    """A served vector as a `gymnasium.vector.VectorEnv` of NumPy arrays.

    See `GymnasiumRemoteVectorEnv`.
    """

    _backend = BACKEND


def make_remote_vector(
    num_envs: int = 1, **kwargs: Any
) -> gymnasium.vector.VectorEnv[Any, Any, Any]:
    """Return a vector of remote environments, for `gymnasium.make_vec`.

    Args:
        num_envs: Number of lanes. If a vector is served, 1, the default of `make_vec`, stands for
            its number; otherwise so many sessions are opened.
        **kwargs: Arguments of the clients; `address` at least.

    Raises:
        ValueError: If the served vector has another number of lanes.
        RLMeshError: If a client cannot be made.
    """
    try:
        vector = RemoteVectorEnv(**kwargs)
    except UnsupportedError as error:
        if error.serves_vector is not False:
            raise
        return gymnasium.vector.SyncVectorEnv([lambda: RemoteEnv(**kwargs)] * num_envs)
    if num_envs not in (1, vector.num_envs):
        vector.close()
        raise ValueError(
            f"{vector.address} serves a vector of {vector.num_envs} environments, not {num_envs}"
        )
    return vector
