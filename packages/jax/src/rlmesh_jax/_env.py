"""Clients of environments in JAX values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax
import numpy as np

from rlmesh_jax._backend import Device, JaxBackend, JaxDevice, keeps
from rlmesh_numpy import BACKEND as NUMPY
from rlmesh_numpy.gym import (
    ClientOptions,
    GymnasiumClient,
    GymnasiumRemoteEnv,
    GymnasiumRemoteVectorEnv,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["RemoteEnv", "RemoteVectorEnv"]


class _OnDevice(GymnasiumClient):
    """The base of the single and the vector client.

    Attributes:
        device: Device on which arrays are made.
    """

    device: JaxDevice

    def _use(self, device: Device) -> None:
        self._backend = JaxBackend(device)
        self.device = self._backend.device
        # Devices themselves cannot be pickled; this name identifies the same device.
        self._backend_arguments = {"device": f"{self.device.platform}:{self.device.id}"}
        self._lane_backend = self._backend if keeps(np.dtype(np.float64)) else NUMPY


class RemoteEnv(_OnDevice, GymnasiumRemoteEnv[jax.Array]):
    """A served environment as a `gymnasium.Env` of JAX arrays.

    Observations, arrays in infos and frames are arrays committed to one device; rewards and flags
    are Python's; typed scalars and arrays of objects in infos are NumPy's, because JAX has none.
    Actions may be arrays of any device, NumPy arrays or plain numbers.

    Without `jax_enable_x64`, an observation's leaf of int64, uint64 or float64 is refused, by path,
    with a `CodecError`, because JAX would change it silently; arrays of these types in infos are
    NumPy's.

    Args:
        address: The endpoint's address.
        device: Device on which arrays are made: a device, "gpu" or "gpu:1"; None: JAX's default
            device.
        render_mode: Mode that the environment must have been served with; None: any.
        **options: See `rlmesh_numpy.gym.ClientOptions`.

    Attributes:
        device: Device on which arrays are made.
    """

    def __init__(
        self,
        address: str | int,
        *,
        device: Device = None,
        render_mode: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        self._use(device)
        super().__init__(address, render_mode=render_mode, **options)


class RemoteVectorEnv(_OnDevice, GymnasiumRemoteVectorEnv[jax.Array]):
    """A served vector as a `gymnasium.vector.VectorEnv` of JAX arrays.

    Arguments and attributes as for `RemoteEnv`. Rewards are (num_envs,) float64, which JAX has only
    with `jax_enable_x64`. If that is on when the client is made, rewards and flags are JAX arrays;
    if it is off, they are NumPy arrays, so that nothing is rounded.
    """

    def __init__(
        self,
        address: str | int,
        *,
        device: Device = None,
        render_mode: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        self._use(device)
        super().__init__(address, render_mode=render_mode, **options)
