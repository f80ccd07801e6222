"""`MultiBinary`: arrays of zeros and ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rlmesh.dtypes import DTYPES
from rlmesh.errors import SpaceError
from rlmesh.spaces._arrays import array_view, is_array, is_number, read_nested
from rlmesh.spaces._base import NumericSpace
from rlmesh.spaces._box import read_shape
from rlmesh.spaces._sampling import sample_bits
from rlmesh.tensor import Tensor

__all__ = ["MultiBinary"]


class MultiBinary(NumericSpace[Tensor]):
    """Arrays of zeros and ones of a fixed shape, as int8.

    Attributes:
        n: The length or the shape that the space was declared with.
        flat: Whether the space was declared with one length instead of a shape.

    Args:
        n: One length, or the extent of each dimension; each at least 0.
        seed: Seed of the sampler.

    Raises:
        SpaceError: If there is no extent, or one is below 0.
    """

    kind = "multi_binary"

    n: int | tuple[int, ...]
    flat: bool

    def __init__(self, n: int | Iterable[int], seed: int | None = None) -> None:
        flat = is_number(n)
        self._shape = read_shape((n,) if flat else n)  # type: ignore[arg-type]
        self._dtype = DTYPES["int8"]
        if not self._shape:
            raise SpaceError(f"expected n to be one or more integers, got {n!r}")
        self._define(n=self._shape[0] if flat else self._shape, flat=flat)
        super().__init__(seed)

    def sample(self) -> Tensor:
        """Toss a fair coin for each element."""
        return Tensor(sample_bits(self._random, self.size), self._dtype, self._shape)

    def contains(self, value: Any, /) -> bool:
        """Return whether `value` is an array or nested lists of the shape, all 0 or 1."""
        if is_array(value):
            view = array_view(value)
            return view is not None and view.shape == self._shape and _binary(view.elements())
        if not isinstance(value, Sequence):
            return False
        nested = read_nested(value)
        return nested is not None and nested.shape == self._shape and _binary(nested.items)

    def _definition(self) -> tuple[object, ...]:
        return self._shape, self.flat

    def __repr__(self) -> str:
        return f"MultiBinary({self.n})"


def _binary(values: Sequence[float]) -> bool:
    return set(values) <= {0, 1}
