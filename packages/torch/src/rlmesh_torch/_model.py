"""`Model` in PyTorch values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlmesh._models.base import ModelBase, ModelOptions
from rlmesh_torch._backend import Device, TorchBackend

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Model"]


class Model(ModelBase[Any, Any]):
    """A model that reads and returns PyTorch tensors and primitives; see `rlmesh.Model`.

    Args:
        source: See `rlmesh.Model`.
        device: Device on which observations are made ("cuda:0"), that of the model's weights; None:
            the CPU. Actions may be tensors of any device.
        **options: See `rlmesh.Model`.

    Attributes:
        device: Device on which observations are made.
    """

    _package = "rlmesh_torch"

    def __init__(
        self, source: object = None, *, device: Device = None, **options: Unpack[ModelOptions]
    ) -> None:
        self._on_device = TorchBackend(device)
        self.device = self._on_device.device
        super().__init__(source, **options)

    @property
    def _backend(self) -> TorchBackend:
        return self._on_device

    @property
    def _client_arguments(self) -> dict[str, Any]:
        return {"device": self.device}
