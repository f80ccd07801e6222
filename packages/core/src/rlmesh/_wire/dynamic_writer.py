"""Python's values -> `DynamicValue`, within every rule and limit of the contract.

What breaks one is replaced by its repr before any of it is written, and reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Union

from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._wire import dynamic_limits as limits
from rlmesh._wire.bounded_repr import MAX_CHARACTERS, bounded_repr, clean
from rlmesh._wire.dtypes import dtype_to_wire
from rlmesh._wire.dynamic_keys import KeysTaken, name_of, read_key, write_key
from rlmesh._wire.dynamic_leaves import LEAF_WRITERS, plain_leaf
from rlmesh._wire.dynamic_limits import BrokenRule
from rlmesh.backends import ArrayBackend, DynamicArray

__all__ = ["Path", "Writer"]

Path = Union[str, tuple[Any, Any]]
"""Position of a value: a name, or the path of its container and its key or index there."""

Report = Callable[[object, Path, str, str], None]
"""Called with a value that is not written as it is, its path, why, and what was done instead."""

_MAX_REPEATED = 2**17
"""Most parts of lists and maps that are written again, since they stand in several places.

A graph of objects would be written along each of its paths, up to the limit on all values.
"""

_COST = 2**8
"""As how many parts a value counts there that is replaced as it holds itself."""

_MAX_TEXT = 2**18
"""Most characters of all reprs, but for the shortest."""

_MIN_TEXT = 80
"""Most characters of each when there is no more room."""

_SHORT = 1000
"""Most characters of a key that is looked at no further, if it is ASCII."""

_TRUTH = bytes([0]) + bytes([1]) * 255
_REPR = "its repr was sent instead"
_DynamicValue = value_pb2.DynamicValue


class Writer:
    """Writes one value or map.

    Args:
        backend: Backend of the arrays and typed scalars.
        report: Called with each value that is not written as it is; may raise.
        exact: Whether it does raise.
    """

    __slots__ = (
        "_above",
        "_backend",
        "_characters",
        "_exact",
        "_parts",
        "_repeated",
        "_report",
        "_written",
    )

    def __init__(self, backend: ArrayBackend, report: Report, exact: bool) -> None:
        self._backend = backend
        self._report = report
        self._exact = exact
        self._parts = limits.Parts()
        self._above: set[int] = set()
        # The objects too, so that no other gets the id of one.
        self._written: dict[int, object] = {}
        self._repeated = 0
        self._characters = _MAX_TEXT

    def map(self, values: Mapping[Any, Any], entries: Any, root: str) -> None:
        """Write the entries of a map that is no value; what is too much of it is left out."""
        try:
            items = _items(values)
            if len(items) > limits.MAX_PARTS:
                message = f"a map has more parts than the limit of {limits.MAX_PARTS}"
                self._report(values, root, message, "the rest was left out")
                del items[limits.MAX_PARTS :]
            self._enter(values, len(items), "a map", 0)
        except BrokenRule as error:
            self._report(values, root, error.reason, "it was left out")
            return
        self._write_items(items, entries, root, 1)

    def value(self, value: Any, out: _DynamicValue, path: Path, depth: int) -> None:
        """Write a value that stands at `depth`."""
        writer = LEAF_WRITERS.get(type(value))
        try:
            if writer is not None:
                writer(value, out)
            else:
                self._write_other(value, out, path, depth)
        except BrokenRule as error:
            self._report(value, path, error.reason, _REPR)
            out.string_value = text = _text_of(value, self._backend, self._characters)
            self._characters = max(self._characters - len(text), _MIN_TEXT)

    def _write_other(self, value: Any, out: _DynamicValue, path: Path, depth: int) -> None:
        if isinstance(value, Mapping):
            items = _items(value)
            self._enter(value, len(items), "a map", depth)
            out.map_value.SetInParent()
            self._write_items(items, out.map_value.entries, path, depth + 1)
            self._above.discard(id(value))
        elif isinstance(value, (list, tuple)):
            parts = _parts(value)
            is_list = isinstance(value, list)
            self._enter(value, len(parts), "a list" if is_list else "a tuple", depth)
            items_out = out.list_value if is_list else out.tuple_value
            items_out.SetInParent()
            self._write_parts(parts, items_out.elements, path, depth + 1)
            self._above.discard(id(value))
        elif (array := _array(self._backend, value)) is None:
            plain = plain_leaf(value)
            LEAF_WRITERS[type(plain)](plain, out)
        elif array.dtype is None:
            self._write_objects(value, array, out, path, depth)
        else:
            _write_numbers(array, out)

    def _write_items(
        self, items: Sequence[tuple[Any, Any]], entries: Any, path: Path, depth: int
    ) -> None:
        """Write the entries of a map with values at nesting depth `depth`."""
        keys: KeysTaken | None = None
        add = entries.add
        for key, value in items:
            if type(key) is str and len(key) <= _SHORT and key.isascii():
                entry = add()
                entry.name = key
            else:
                keys = keys or KeysTaken(items)
                entry = self._entry(key, keys, entries, (path, key), depth)
                if entry is None:
                    continue
            if type(value) is float:
                entry.value.float_value = value  # Most values of infos, so that no call is made.
            else:
                self.value(value, entry.value, (path, key), depth)

    def _entry(self, key: Any, keys: KeysTaken, entries: Any, path: Path, depth: int) -> Any:
        """Return an entry with a key or the name that stands for it; None if that is taken."""
        try:
            plain = read_key(key, self._is_array, self._parts, depth)
            identity = limits.key_identity(plain)
            if keys.has(key, identity):
                raise BrokenRule(f"a map has the key {bounded_repr(plain, 60)} twice", "D-6")
        except BrokenRule as error:
            name = name_of(key)
            if not keys.is_free(name):
                self._report(key, path, error.reason, f"{name!r:.60} is taken; it was left out")
                return None
            self._report(key, path, error.reason, f"the name {name!r:.60} was sent instead")
            plain = identity = name
        keys.taken.add(identity)
        entry = entries.add()
        write_key(plain, entry)
        return entry

    def _write_parts(self, parts: Sequence[Any], elements: Any, path: Path, depth: int) -> None:
        add = elements.add
        for i, part in enumerate(parts):
            self.value(part, add(), (path, i), depth)

    def _write_objects(
        self, value: object, array: DynamicArray, out: _DynamicValue, path: Path, depth: int
    ) -> None:
        shape = tuple(array.shape or ())
        limits.check_objects_shape(shape, len(array.elements))
        self._parts.count_empty(shape)
        self._enter(value, len(array.elements), "an array", depth)
        out.object_array_value.SetInParent()
        out.object_array_value.shape.extend(shape)
        self._write_parts(array.elements, out.object_array_value.elements, path, depth + 1)
        self._above.discard(id(value))

    def _enter(self, value: object, count: int, noun: str, depth: int) -> None:
        """Check, before any is written, that all parts of a value can be."""
        number = id(value)
        if number in self._above:
            self._repeated += _COST
            raise BrokenRule(f"{noun} holds itself", "D-8")
        if count:
            limits.check_depth(depth + 1)
        if number in self._written and not self._exact:
            self._repeated += count
            if self._repeated > _MAX_REPEATED:
                raise BrokenRule(f"{noun} is one of those that stand in very many places", "D-8")
        self._parts.count(count, noun)
        self._written[number] = value
        self._above.add(number)

    def _is_array(self, value: object) -> bool:
        return _array(self._backend, value) is not None


def _items(values: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """Return the entries of a mapping, as they are now."""
    if type(values) is dict:
        return list(values.items())
    try:
        return list(dict(islice(values.items(), limits.MAX_PARTS + 1)).items())
    except Exception as error:  # the class is someone else's
        raise _unreadable(values, error) from None


def _parts(values: Iterable[Any]) -> Sequence[Any]:
    """Return the elements of a list or tuple, as they are now."""
    if type(values) is tuple:
        return values
    try:
        return list(islice(values, limits.MAX_PARTS + 1))
    except Exception as error:  # the class is someone else's
        raise _unreadable(values, error) from None


def _array(backend: ArrayBackend, value: object) -> DynamicArray | None:
    try:
        return backend.dynamic(value)
    except Exception as error:  # a library's, or that of a class which looks like an array
        raise _unreadable(value, error) from None


def _unreadable(value: object, error: Exception) -> BrokenRule:
    return BrokenRule(f"reading a {type(value).__name__} raises {type(error).__name__}", "D-8")


def _write_numbers(array: DynamicArray, out: _DynamicValue) -> None:
    assert array.dtype is not None
    shape = array.shape
    data = bytes(array.data or b"")
    if array.dtype.kind == "b":
        data = data.translate(_TRUTH)  # NumPy takes every other byte for true.
    if shape is not None:
        limits.check_numbers_shape(shape, array.dtype.itemsize)
    limits.check_data(data, array.dtype, math.prod(shape or ()), "an array")
    message = out.scalar_value if shape is None else out.tensor_value
    message.dtype = dtype_to_wire(array.dtype)
    message.data = data
    if shape is not None:
        out.tensor_value.shape.extend(shape)


def _text_of(value: Any, backend: ArrayBackend, room: int) -> str:
    """Return the replacement of a value that cannot be written."""
    if issubclass(type(value), str):
        return clean(str.__str__(value))
    try:
        array = backend.dynamic(value)
    except Exception:  # see `_array`
        array = None
    shown = list(array.elements) if array is not None and array.elements else value
    return bounded_repr(shown, min(room, MAX_CHARACTERS))
