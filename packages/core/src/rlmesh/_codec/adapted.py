"""`AdaptedCodec`: a codec that converts values before it encodes them or after it decodes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rlmesh._codec.plan import SpaceCodec
from rlmesh._codec.validate import Validation
from rlmesh.backends import ArrayBackend, Buffer
from rlmesh.spaces import Space

__all__ = ["AdaptedCodec"]


class AdaptedCodec(SpaceCodec):
    """A codec of single values that a function converts before encoding, or after decoding.

    Args:
        space: The space of the values that are encoded.
        backend: Backend of its arrays.
        adapt: Converts a value. Each codec of an environment is used in one direction only, so that
            one function is enough: observations are encoded, actions are decoded.
        root: Name of the value in messages.
        validation: What to do with a value outside its space.
    """

    def __init__(
        self,
        space: Space[Any],
        backend: ArrayBackend,
        adapt: Callable[[Any], Any],
        *,
        root: str,
        validation: Validation,
    ) -> None:
        super().__init__(space, backend, root=root, validation=validation)
        self._adapt = adapt

    def encode(self, value: Any) -> list[Buffer]:
        """See `SpaceCodec.encode`."""
        return super().encode(self._adapt(value))

    def decode(self, slabs: Sequence[Buffer], *, copy: bool = True) -> Any:
        """See `SpaceCodec.decode`."""
        return self._adapt(super().decode(slabs, copy=copy))

    def decode_values(self, slabs: Sequence[Buffer], count: int) -> list[Any]:
        """See `SpaceCodec.decode_values`."""
        return [self._adapt(value) for value in super().decode_values(slabs, count)]
