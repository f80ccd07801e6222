"""The slabs of one value or batch, read one after another with the checks of V-4 and M-8."""

from typing import Any, List, Sequence

import numpy as np

from rlmesh_thin.faults import INVALID_VALUE, LIMIT_EXCEEDED, Fault

__all__ = ["SlabReader", "broken", "check_place"]

MAX_AT_PLACE = 16777216
MAX_FREE = 65536


def broken(path: str, rule: str, expected: str, actual: str) -> Fault:
    """Return the Fault of a value that breaks a rule of its encoding."""
    message = "%s: %s: expected %s, got %s" % (path, rule, expected, actual)
    return Fault(INVALID_VALUE, message, path, expected=expected, actual=actual)


def check_place(count: int, path: str) -> None:
    """Raise Fault if there are too many values at one place (M-1)."""
    if count > MAX_AT_PLACE:
        raise Fault(
            LIMIT_EXCEEDED, "M-1: %d values at one place, at most %d" % (count, MAX_AT_PLACE), path
        )


class SlabReader:
    """Reads slabs in their order.

    Args:
        slabs: The slabs, as bytes or views of bytes.
    """

    def __init__(self, slabs: Sequence[Any]) -> None:
        self._slabs = slabs
        self._taken = 0
        self._free = 0
        self._most_free = MAX_FREE + 4 * sum(map(len, slabs))

    def take(self, size: int, path: str) -> Any:
        """Return the next slab, which has `size` bytes."""
        if self._taken == len(self._slabs):
            raise broken(path, "V-3", "a slab", "none after %d" % self._taken)
        slab = self._slabs[self._taken]
        if len(slab) != size:
            raise broken(path, "V-4", "%d bytes" % size, "%d bytes" % len(slab))
        self._taken += 1
        return slab

    def uint32s(self, count: int, path: str) -> List[int]:
        """Return the next slab, of `count` uint32."""
        slab = self.take(4 * count, path)
        found: List[int] = np.ndarray((count,), "<u4", slab).tolist() if count else []
        return found

    def count_free(self, more: int, path: str) -> None:
        """Count values without a byte, and raise Fault if there are too many (M-8)."""
        self._free += more
        if self._free > self._most_free:
            raise Fault(LIMIT_EXCEEDED, "M-8: %d values without a byte" % self._free, path)

    def end(self, path: str) -> None:
        """Raise Fault if slabs are left."""
        if self._taken != len(self._slabs):
            actual = "%d slabs" % len(self._slabs)
            raise broken(path, "V-3", "%d slabs" % self._taken, actual)
