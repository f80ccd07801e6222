"""`Model` in PyTorch values."""

from __future__ import annotations

from typing import Any

from rlmesh._models.base import ModelBase

__all__ = ["Model"]


class Model(ModelBase[Any, Any]):
    """A model that reads and returns PyTorch tensors and primitives; see `rlmesh.Model`."""

    _env_type = "rlmesh_torch:RemoteEnv"
