"""Keys of maps -> `MapEntry`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._wire.bounded_repr import bounded_repr, clean
from rlmesh._wire.dynamic_leaves import LEAF_WRITERS, check_text, integer_bytes, plain_leaf
from rlmesh._wire.dynamic_limits import BrokenRule, Parts, check_depth, check_integer, check_key

__all__ = ["KeysTaken", "name_of", "read_key", "write_key"]


_MAX_NAME = 1000
"""Most characters of a name that stands for a key."""


class KeysTaken:
    """The keys of one map that are written, and those that its own names will take.

    Attributes:
        taken: Identities of the written keys, except plain names.

    Args:
        items: The entries of the map, with distinct keys.
    """

    __slots__ = ("_items", "_own", "taken")

    def __init__(self, items: Sequence[tuple[Any, Any]]) -> None:
        self.taken: set[object] = set()
        self._items = items
        self._own: set[str] | None = None

    def has(self, key: object, identity: object) -> bool:
        """Return whether a key is written, or equals one of the map's own names."""
        return identity in self.taken or (type(key) is not str and identity in self._names())

    def is_free(self, name: str) -> bool:
        """Return whether a name can stand for a key that cannot be written."""
        return name not in self.taken and name not in self._names()

    def _names(self) -> set[str]:
        if self._own is None:
            self._own = {key for key, _ in self._items if type(key) is str}
        return self._own


def name_of(key: Any) -> str:
    """Return the replacement of a key that cannot be written."""
    if issubclass(type(key), str) and str.__len__(key) <= _MAX_NAME:
        return clean(str.__str__(key))
    return bounded_repr(key, _MAX_NAME)


def read_key(key: Any, is_array: Callable[[object], bool], parts: Parts, depth: int) -> Any:
    """Return a key as a value of Python's own types.

    Args:
        key: Any key.
        is_array: Whether something is an array or typed scalar, which no key is.
        parts: Counts the parts of tuples.
        depth: Nesting depth of the key.

    Raises:
        BrokenRule: If the contract has no such key.
    """
    check_depth(depth)
    if issubclass(type(key), tuple):
        # The class's own method, since a subclass may have changed it.
        elements = tuple.__getitem__(key, slice(None))
        parts.count(len(elements), "the key of a map")
        return tuple([read_key(part, is_array, parts, depth + 1) for part in elements])
    if key is None or type(key) in (bool, float):
        return key
    if type(key) not in LEAF_WRITERS and is_array(key):
        raise BrokenRule(f"no key of the wire holds a {type(key).__name__}", "D-8")
    plain = plain_leaf(key)
    if isinstance(plain, str):
        check_text(plain)
    elif isinstance(plain, int):
        check_integer(integer_bytes(plain))
    check_key(plain)
    return plain


def write_key(key: Any, entry: value_pb2.MapEntry) -> None:
    """Write a key that `read_key` has read."""
    if isinstance(key, str):
        entry.name = key
    else:
        _write(key, entry.other)


def _write(key: Any, out: value_pb2.DynamicValue) -> None:
    if isinstance(key, tuple):
        out.tuple_value.SetInParent()
        for part in key:
            _write(part, out.tuple_value.elements.add())
    else:
        LEAF_WRITERS[type(key)](key, out)
