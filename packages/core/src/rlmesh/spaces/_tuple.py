"""`Tuple`: numbered sub-spaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast, overload

from rlmesh.errors import SpaceError
from rlmesh.spaces._arrays import is_array
from rlmesh.spaces._base import SeedResult, Space, read_child

__all__ = ["Tuple"]


class Tuple(Space[tuple[Any, ...]]):
    """Tuples with a value of each sub-space.

    Attributes:
        spaces: The sub-spaces in order.

    Args:
        spaces: The sub-spaces in order. May be empty.
        seed: Seed of the sampler.

    Raises:
        SpaceError: If an element is not a space.
    """

    kind = "tuple"
    is_leaf = False

    spaces: tuple[Space[Any], ...]

    def __init__(self, spaces: Iterable[Space[Any]], seed: int | None = None) -> None:
        self._define(spaces=read_spaces(spaces))
        self._children = tuple(enumerate(self.spaces))
        super().__init__(seed)

    @property
    def children(self) -> tuple[tuple[str | int, Space[Any]], ...]:
        """The sub-spaces in order, each with its index."""
        return self._children

    def sample(self) -> tuple[Any, ...]:
        """Draw a value of each sub-space."""
        return tuple(space.sample() for space in self.spaces)

    def contains(self, value: Any, /) -> bool:
        """Return whether `value` is a tuple, list or array with a value of each sub-space."""
        if is_array(value) and value.shape:
            value = tuple(value)
        if not isinstance(value, (tuple, list)):
            return False
        items: tuple[Any, ...] | list[Any] = value
        return len(items) == len(self.spaces) and all(
            space.contains(item) for space, item in zip(self.spaces, items, strict=True)
        )

    @overload
    def __getitem__(self, index: int) -> Space[Any]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Space[Any], ...]: ...
    def __getitem__(self, index: int | slice) -> Space[Any] | tuple[Space[Any], ...]:
        return self.spaces[index]

    def __iter__(self) -> Iterator[Space[Any]]:
        return iter(self.spaces)

    def __len__(self) -> int:
        return len(self.spaces)

    def _seed_result(self, own: int, children: list[SeedResult]) -> SeedResult:
        return cast("list[int]", children)

    def _definition(self) -> tuple[object, ...]:
        return self.spaces

    def __repr__(self) -> str:
        return f"Tuple({', '.join(map(repr, self.spaces))})"


def read_spaces(spaces: Iterable[Space[Any]]) -> tuple[Space[Any], ...]:
    """Return the sub-spaces that were passed to a constructor.

    Raises:
        SpaceError: If an element is not a space.
    """
    if not isinstance(cast("object", spaces), Iterable):
        raise SpaceError(f"expected a sequence of spaces, got {type(spaces).__name__}")
    return tuple(read_child(space, i) for i, space in enumerate(spaces))
