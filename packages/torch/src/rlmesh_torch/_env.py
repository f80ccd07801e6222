"""Clients of environments in PyTorch values."""

from __future__ import annotations

import torch

from rlmesh_numpy.gym import GymnasiumRemoteEnv, GymnasiumRemoteVectorEnv, Level
from rlmesh_torch._backend import Device, TorchBackend

__all__ = ["RemoteEnv", "RemoteVectorEnv"]


class RemoteEnv(GymnasiumRemoteEnv[torch.Tensor]):
    """A served environment as a `gymnasium.Env` of PyTorch tensors.

    Observations, arrays in infos and frames are tensors; rewards and flags are Python's; typed
    scalars and arrays of objects in infos are NumPy's, because PyTorch has none. Actions may be
    tensors of any device, NumPy arrays or plain numbers.

    Args:
        address: The endpoint's address.
        device: Where tensors are made ("cuda:0"); None: on the CPU.
        token: Bearer token; empty: none.
        validation: What to do with an action outside its space; see `GymnasiumRemoteEnv`.
        connect_timeout: Seconds that the handshake may take.
        render_mode: Mode that the environment must have been served with; None: any.

    Attributes:
        device: Where tensors are made.
    """

    device: torch.device

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
        backend = TorchBackend(device)
        self.device = backend.device
        self._backend = backend
        self._backend_arguments = {"device": str(backend.device)}
        super().__init__(
            address,
            token=token,
            validation=validation,
            connect_timeout=connect_timeout,
            render_mode=render_mode,
        )


class RemoteVectorEnv(GymnasiumRemoteVectorEnv[torch.Tensor]):
    """A served vector as a `gymnasium.vector.VectorEnv` of PyTorch tensors.

    Arguments and attributes as for `RemoteEnv`. Rewards (num_envs,) float64 and flags (num_envs,)
    bool are tensors as well.
    """

    device: torch.device

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
        backend = TorchBackend(device)
        self.device = backend.device
        self._backend = backend
        self._backend_arguments = {"device": str(backend.device)}
        super().__init__(
            address,
            token=token,
            validation=validation,
            connect_timeout=connect_timeout,
            render_mode=render_mode,
        )
