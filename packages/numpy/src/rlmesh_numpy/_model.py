"""`Model` in NumPy values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlmesh._models.base import ModelBase, ModelOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Model"]


class Model(ModelBase[Any, Any]):
    """A model that reads and returns NumPy arrays and primitives; see `rlmesh.Model`."""

    _package = "rlmesh_numpy"

    def __init__(self, source: object = None, **options: Unpack[ModelOptions]) -> None:
        super().__init__(source, **options)
