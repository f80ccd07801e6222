"""`Model` in native values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rlmesh._models.base import ModelBase, ModelOptions
from rlmesh.backends import NATIVE, ArrayBackend

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Model"]


class Model(ModelBase[Any, Any]):
    """A model that reads and returns native values, or those of `backend`; see `ModelBase`.

    Args:
        source: See `ModelBase`; not needed by a subclass that defines the methods.
        backend: Backend of the values that the model reads and returns. The `Model` of a package
            that adds an array library is a subclass of this one and passes the package's own.
        **options: See `ModelBase`.
    """

    _package = "rlmesh"

    def __init__(
        self,
        source: object = None,
        *,
        backend: ArrayBackend = NATIVE,
        **options: Unpack[ModelOptions],
    ) -> None:
        self._given_backend = backend
        super().__init__(source, **options)

    @property
    def _backend(self) -> ArrayBackend:
        return self._given_backend
