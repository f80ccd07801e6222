"""`FrozenMapping`: a mapping that cannot be changed, for the fields of frozen dataclasses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

__all__ = ["EMPTY", "FrozenMapping"]

ValueT = TypeVar("ValueT")


class FrozenMapping(Mapping[str, ValueT]):
    """A mapping that is equal to any mapping with the same items, in whatever order.

    It has a hash and can be pickled, which `types.MappingProxyType` does not have and cannot be.

    Args:
        items: The items; they are copied.
    """

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, ValueT]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: str) -> ValueT:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    def __repr__(self) -> str:
        return repr(self._items)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self._items,))


EMPTY: FrozenMapping[Any] = FrozenMapping({})
"""The mapping without items."""
