"""`Sequence`: any number of values of one sub-space."""

from __future__ import annotations

import math
from typing import Any

from rlmesh.spaces._base import Space, read_child
from rlmesh.spaces._stacking import stack as stack_values
from rlmesh.spaces._stacking import unstack

__all__ = ["Sequence"]

_STOP = 0.25  # Gymnasium's probability that a sampled sequence ends after an element


class Sequence(Space[Any]):
    """Tuples of zero or more values of one sub-space; if stacked, one value with a new first axis.

    A stacked value is a Tensor `(n, *shape)` for a sub-space of numbers, a dict or tuple of such
    Tensors for Dict and Tuple, and still a tuple for the other sub-spaces.

    Attributes:
        feature_space: The space of each element.
        stack: Whether the elements are stacked.

    Args:
        space: The space of each element.
        seed: Seed of the sampler.
        stack: Whether to stack the elements.

    Raises:
        SpaceError: If `space` is not a space.
    """

    kind = "sequence"
    is_leaf = False

    feature_space: Space[Any]
    stack: bool

    def __init__(self, space: Space[Any], seed: int | None = None, stack: bool = False) -> None:
        self._define(feature_space=read_child(space, 0), stack=bool(stack))
        super().__init__(seed)

    @property
    def children(self) -> tuple[tuple[str | int, Space[Any]], ...]:
        """The space of the elements, under the key 0."""
        return ((0, self.feature_space),)

    def sample(self) -> Any:
        """Draw a length from the geometric distribution (p = 0.25, at least 1), then elements."""
        chance = 1.0 - self._random.random()
        length = 1 + int(math.log(chance) / math.log(1.0 - _STOP))
        values = tuple(self.feature_space.sample() for _ in range(length))
        return stack_values(self.feature_space, values) if self.stack else values

    def contains(self, value: Any, /) -> bool:
        """Return whether `value` is a tuple of elements; if stacked, elements stacked."""
        if self.stack:
            items = unstack(self.feature_space, value)
            return items is not None and all(map(self.feature_space.contains, items))
        return isinstance(value, tuple) and all(map(self.feature_space.contains, value))

    def _definition(self) -> tuple[object, ...]:
        return self.feature_space, self.stack

    def __repr__(self) -> str:
        return f"Sequence({self.feature_space!r}, stack={self.stack})"
