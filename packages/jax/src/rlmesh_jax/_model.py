"""`Model` in JAX values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlmesh._models.base import ModelBase, ModelOptions
from rlmesh_jax._backend import Device, JaxBackend

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Model"]


class Model(ModelBase[Any, Any]):
    """A model that reads and returns JAX arrays and primitives; see `rlmesh.Model`.

    Args:
        source: See `rlmesh.Model`.
        device: Device on which observations are made: a device, "gpu" or "gpu:1"; None: JAX's
            default device. Actions may be arrays of any device.
        **options: See `rlmesh.Model`.
    """

    _package = "rlmesh_jax"

    def __init__(
        self, source: object = None, *, device: Device = None, **options: Unpack[ModelOptions]
    ) -> None:
        self._on_device = JaxBackend(device)
        super().__init__(source, **options)

    @property
    def device(self) -> Any:
        """Device on which observations are made."""
        return self._on_device.device

    @property
    def _backend(self) -> JaxBackend:
        return self._on_device

    @property
    def _client_arguments(self) -> dict[str, Any]:
        return {"device": self._on_device.device}
