"""`Discrete`: one integer of a finite range."""

from __future__ import annotations

from rlmesh.dtypes import DTypeLike
from rlmesh.errors import SpaceError
from rlmesh.spaces._base import read_dtype, read_int
from rlmesh.spaces._integer import IntegerSpace

__all__ = ["Discrete"]


class Discrete(IntegerSpace):
    """The integers `start`, `start + 1`, ..., `start + n - 1`.

    Attributes:
        n: Number of elements.
        start: Smallest element.

    Args:
        n: Number of elements, at least 1.
        seed: Seed of the sampler.
        start: Smallest element.
        dtype: Integer type of a value on the wire.

    Raises:
        SpaceError: If `n` is less than 1, or an element does not fit the dtype.
    """

    kind = "discrete"

    def __init__(
        self, n: int, seed: int | None = None, start: int = 0, dtype: DTypeLike = "int64"
    ) -> None:
        self._dtype = read_dtype(dtype, integer=True)
        self._shape = ()
        count, first = read_int(n, "n"), read_int(start, "start")
        if not 1 <= count < 2**64:
            raise SpaceError(f"expected n from 1 to 2**64 - 1, got {count}")
        low, high = self._dtype.limits
        if first < low or first + count - 1 > high:
            raise SpaceError(
                f"expected elements within {self._dtype} ({low} to {high}), "
                f"got {first} to {first + count - 1}"
            )
        self._define(n=count, start=first)
        super().__init__(seed)

    def _definition(self) -> tuple[object, ...]:
        return self.n, self.start, self._dtype.name

    def __repr__(self) -> str:
        start = f", start={self.start}" if self.start else ""
        dtype = f", dtype={self._dtype}" if self._dtype.name != "int64" else ""
        return f"Discrete({self.n}{start}{dtype})"
