"""`OneOf`: a value of one of several alternative sub-spaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rlmesh.errors import SpaceError
from rlmesh.spaces._arrays import array_view, is_number
from rlmesh.spaces._base import Space
from rlmesh.spaces._tuple import read_spaces

__all__ = ["OneOf"]


class OneOf(Space[tuple[int, Any]]):
    """Pairs of the index of a sub-space and a value of that sub-space.

    Attributes:
        spaces: The alternatives in order.

    Args:
        spaces: The alternatives, at least one.
        seed: Seed of the sampler.

    Raises:
        SpaceError: If there is no alternative, or one is not a space.
    """

    kind = "one_of"
    is_leaf = False

    spaces: tuple[Space[Any], ...]

    def __init__(self, spaces: Iterable[Space[Any]], seed: int | None = None) -> None:
        self._define(spaces=read_spaces(spaces))
        if not self.spaces:
            raise SpaceError("expected at least one space")
        self._children = tuple(enumerate(self.spaces))
        super().__init__(seed)

    @property
    def children(self) -> tuple[tuple[str | int, Space[Any]], ...]:
        """The alternatives in order, each with its index."""
        return self._children

    def sample(self) -> tuple[int, Any]:
        """Draw an alternative, then a value of that alternative."""
        index = self._random.randrange(len(self.spaces))
        return index, self.spaces[index].sample()

    def contains(self, value: Any, /) -> bool:
        """Return whether `value` is a pair of an index and a value of that alternative."""
        if not isinstance(value, tuple):
            return False
        pair: tuple[Any, ...] = value
        if len(pair) != 2 or not _is_index(pair[0]):
            return False
        index = int(pair[0])
        return 0 <= index < len(self.spaces) and self.spaces[index].contains(pair[1])

    def __getitem__(self, index: int) -> Space[Any]:
        return self.spaces[index]

    def __iter__(self) -> Iterator[Space[Any]]:
        return iter(self.spaces)

    def __len__(self) -> int:
        return len(self.spaces)

    def _definition(self) -> tuple[object, ...]:
        return self.spaces

    def __repr__(self) -> str:
        return f"OneOf({', '.join(map(repr, self.spaces))})"


def _is_index(value: object) -> bool:
    """Return whether `value` is Python's int or NumPy's int64 scalar, as Gymnasium requires."""
    if isinstance(value, int):
        return True
    view = array_view(value) if is_number(value) else None
    return view is not None and view.dtype.name == "int64"
