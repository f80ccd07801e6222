"""Clients of environments in PyTorch values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rlmesh_numpy.gym import (
    ClientOptions,
    GymnasiumClient,
    GymnasiumRemoteEnv,
    GymnasiumRemoteVectorEnv,
)
from rlmesh_torch._backend import Device, TorchBackend

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["RemoteEnv", "RemoteVectorEnv"]


class _OnDevice(GymnasiumClient):
    """The base of the single and the vector client.

    Attributes:
        device: Device on which tensors are made.
    """

    device: torch.device

    def _use(self, device: Device) -> None:
        self._backend = TorchBackend(device)
        self.device = self._backend.device
        self._backend_arguments = {"device": str(self.device)}


class RemoteEnv(_OnDevice, GymnasiumRemoteEnv[torch.Tensor]):
    """A served environment as a `gymnasium.Env` of PyTorch tensors.

    Observations, arrays in infos and images are tensors; rewards and flags are Python's; typed
    scalars and arrays of objects in infos are NumPy's, because PyTorch has none. Actions may be
    tensors of any device, NumPy arrays or plain numbers.

    Args:
        address: The endpoint's address.
        device: Device on which tensors are made ("cuda:0"); None: the CPU. Tensors are copied to a
            GPU from pinned memory, on PyTorch's current stream.
        render_mode: Mode that the environment must have been served with; None: any.
        **options: See `rlmesh_numpy.gym.ClientOptions`. PyTorch has no read-only tensors: a tensor
            that was received with `copy=False` on the CPU must not be written.

    Attributes:
        device: Device on which tensors are made.
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


class RemoteVectorEnv(_OnDevice, GymnasiumRemoteVectorEnv[torch.Tensor]):
    """A served vector as a `gymnasium.vector.VectorEnv` of PyTorch tensors.

    Arguments and attributes as for `RemoteEnv`. Rewards (num_envs,) float64 and flags (num_envs,)
    bool are tensors as well.
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
