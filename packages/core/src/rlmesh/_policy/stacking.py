"""`Stacking`: values as a batch, and one value as slabs that are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlmesh._codec import SpaceCodec
from rlmesh.backends import ArrayBackend
from rlmesh.spaces import Space

__all__ = ["Stacking"]


class Stacking:
    """The exact conversion of a list of values to a batch and back, for every space and device.

    Args:
        space: The space.
        backend: Backend of the values.
        root: Name of a value in messages ("observation").
    """

    def __init__(self, space: Space[Any], backend: ArrayBackend, root: str) -> None:
        self._codec = SpaceCodec(space, backend, root=root, validation="off")

    def stack(self, values: Sequence[Any]) -> Any:
        """Return values as a batch, with leaves stacked on axis 0.

        Raises:
            InvalidValueError: If a value does not belong to the space.
        """
        return self._codec.decode_batch(self._codec.encode_values(values), len(values))

    def encode(self, value: Any) -> list[bytes]:
        """Return a copy of a value as slabs.

        Raises:
            InvalidValueError: If the value does not belong to the space.
        """
        return [bytes(slab) for slab in self._codec.encode(value)]

    def decode(self, slabs: Sequence[bytes]) -> Any:
        """Return the value that was encoded."""
        return self._codec.decode(slabs)

    def unstack(self, batch: Any, count: int) -> list[Any]:
        """Return a batch of `count` values as a list of values.

        Raises:
            InvalidValueError: If `batch` is not such a batch.
        """
        return self._codec.decode_values(self._codec.encode_batch(batch, count), count)
