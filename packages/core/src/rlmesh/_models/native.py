"""`Model` in native values."""

from __future__ import annotations

from typing import Any

from rlmesh._models.base import ModelBase

__all__ = ["Model"]


class Model(ModelBase[Any, Any]):
    """A model that reads and returns native values; see `ModelBase`."""

    _env_type = "rlmesh:RemoteEnv"
