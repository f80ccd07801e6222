"""`IntegerSpace`: the base of the spaces whose values are one integer of a range."""

from __future__ import annotations

from typing import Any

from rlmesh.spaces._arrays import array_view, can_cast
from rlmesh.spaces._base import NumericSpace

__all__ = ["IntegerSpace"]


class IntegerSpace(NumericSpace[int]):
    """The integers `start`, `start + 1`, ..., `start + n - 1`.

    The codec, adapters, recordings and the command line go by this class, so that a space of one
    integer needs no place of its own there. A subclass sets `_shape` to `()`.

    Attributes:
        n: Number of elements.
        start: Smallest element.
    """

    n: int
    start: int

    def sample(self) -> int:
        """Draw an element; all are equally likely."""
        return self.start + self._random.randrange(self.n)

    def contains(self, value: Any, /) -> bool:
        """Return whether `value` is an integer in range, of a type that casts safely."""
        if isinstance(value, int):
            return self.start <= value < self.start + self.n
        if not hasattr(value, "__array_interface__"):
            return False
        view = array_view(value)
        if view is None or view.shape != () or not view.dtype.is_integer:
            return False
        if not can_cast(view.dtype, self._dtype):
            return False
        return self.start <= view.elements()[0] < self.start + self.n
