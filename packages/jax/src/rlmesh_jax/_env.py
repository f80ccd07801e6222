"""Clients of environments in JAX values."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from rlmesh._codec.lanes import LaneIO
from rlmesh.specs import EnvContract
from rlmesh_jax._backend import Device, JaxBackend, JaxDevice, keeps
from rlmesh_numpy import BACKEND as NUMPY
from rlmesh_numpy.gym import GymnasiumRemoteEnv, GymnasiumRemoteVectorEnv, Level

__all__ = ["RemoteEnv", "RemoteVectorEnv"]


class RemoteEnv(GymnasiumRemoteEnv[jax.Array]):
    """A served environment as a `gymnasium.Env` of JAX arrays.

    Observations, arrays in infos and frames are arrays committed to one device; rewards and flags
    are Python's; typed scalars and arrays of objects in infos are NumPy's, because JAX has none.
    Actions may be arrays of any device, NumPy arrays or plain numbers.

    Without `jax_enable_x64`, an observation's leaf of int64, uint64 or float64 is refused, by path,
    with a `CodecError`, because JAX would change it silently; arrays of these types in infos are
    NumPy's.

    Args:
        address: The endpoint's address.
        device: Where arrays are made: a device, "gpu" or "gpu:1"; None: JAX's default device.
        token: Bearer token; empty: none.
        validation: What to do with an action outside its space; see `GymnasiumRemoteEnv`.
        connect_timeout: Seconds that the handshake may take.
        render_mode: Mode that the environment must have been served with; None: any.

    Attributes:
        device: Where arrays are made.
    """

    device: JaxDevice

    def __init__(
        self,
        address: str | int,
        *,
        device: Device = None,
        token: str = "",
        validation: Level = "warn",
        connect_timeout: float = 10.0,
        render_mode: str | None = None,
    ) -> None:
        backend = JaxBackend(device)
        self.device = backend.device
        self._backend = backend
        self._backend_arguments = {"device": _name(backend.device)}
        super().__init__(
            address,
            token=token,
            validation=validation,
            connect_timeout=connect_timeout,
            render_mode=render_mode,
        )


class RemoteVectorEnv(GymnasiumRemoteVectorEnv[jax.Array]):
    """A served vector as a `gymnasium.vector.VectorEnv` of JAX arrays.

    Arguments and attributes as for `RemoteEnv`. Rewards are (num_envs,) float64, which JAX has only
    with `jax_enable_x64`: where that is on when the client is made, rewards and flags are JAX
    arrays; where it is off, they are NumPy arrays, and nothing is rounded.
    """

    device: JaxDevice

    def __init__(
        self,
        address: str | int,
        *,
        device: Device = None,
        token: str = "",
        validation: Level = "warn",
        connect_timeout: float = 10.0,
        render_mode: str | None = None,
    ) -> None:
        backend = JaxBackend(device)
        self.device = backend.device
        self._backend = backend
        self._backend_arguments = {"device": _name(backend.device)}
        super().__init__(
            address,
            token=token,
            validation=validation,
            connect_timeout=connect_timeout,
            render_mode=render_mode,
        )

    def _connect(self, address: str | int, vector: bool, arguments: dict[str, Any]) -> EnvContract:
        contract = super()._connect(address, vector, arguments)
        if not keeps(np.dtype(np.float64)):
            self._player._lanes = LaneIO(NUMPY, contract.num_envs)
        return contract


def _name(device: JaxDevice) -> str:
    """A name that `JaxBackend` takes back: devices themselves cannot be pickled."""
    return f"{device.platform}:{device.id}"
