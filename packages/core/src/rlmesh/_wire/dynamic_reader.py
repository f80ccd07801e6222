"""`DynamicValue` -> Python's values, with every rule and limit of the contract checked."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any

from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._wire.dtypes import dtype_from_wire
from rlmesh.backends import ArrayBackend, DynamicArray
from rlmesh.dtypes import DType
from rlmesh.errors import CodecError
from rlmesh.spaces import path_text

__all__ = ["MAX_DEPTH", "dynamic_from_wire", "map_from_wire"]

MAX_DEPTH = 24
"""Deepest nesting of a dynamic value."""

MAX_DIMENSIONS = 32
"""Most dimensions of an array, as NumPy 1 has it."""

MAX_ELEMENTS = 2**28
"""Most elements of an array of numbers."""

MAX_PARTS = 2**20
"""Most elements of one list, map or array of any values."""

MAX_VALUES = 2**22
"""Most values in one."""

MAX_KEY_BYTES = 2**16
"""Longest key of a map."""

MAX_INTEGER_BYTES = 2**16
"""Longest integer."""

MAX_EMPTY_LISTS = 2**16
"""Most empty lists that arrays without elements may become, since no bytes pay for them."""

_KEYS = frozenset(
    ["null_value", "bool_value", "int_value", "big_int_value", "float_value", "bytes_value"]
)
_KEY_PARTS = _KEYS | {"string_value"}
_NAN = object()
_DynamicValue = value_pb2.DynamicValue


def map_from_wire(
    message: value_pb2.Map, backend: ArrayBackend, root: str = "value"
) -> dict[Any, Any]:
    """The entries as a dict, in order.

    Args:
        message: The map.
        backend: Who makes arrays and typed scalars.
        root: Name of the map in messages ("info").

    Raises:
        CodecError: If an entry lacks its key or value, a key comes twice, a value is malformed, or
            there is more of something than the contract allows (M-1); says where.
    """
    try:
        return _Reader(backend).map(message, 1)
    except _Malformed as error:
        raise error.at(root) from None


def dynamic_from_wire(message: _DynamicValue, backend: ArrayBackend, root: str = "value") -> Any:
    """The Python value of a message; arguments and errors as for `map_from_wire`."""
    try:
        return _Reader(backend).value(message, 1)
    except _Malformed as error:
        raise error.at(root) from None


class _Malformed(Exception):
    """A rule is broken. The place is put together on the way out, so that it costs nothing else."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[str | int] = []

    def at(self, root: str) -> CodecError:
        return CodecError(self.reason, path=root + path_text(self.steps[::-1]))


class _Reader:
    """Reads one value or map; counts its parts, so that a limit holds for all of it.

    Args:
        backend: Who makes arrays and typed scalars.
    """

    def __init__(self, backend: ArrayBackend) -> None:
        self._backend = backend
        self._values = 0
        self._empty = 0

    def value(self, message: _DynamicValue, depth: int) -> Any:
        """The value of a message."""
        kind = message.WhichOneof("kind")
        if kind is None:
            raise _Malformed("a value has no kind (or one of a newer spec)")
        if depth > MAX_DEPTH:
            raise _Malformed(f"a value is nested deeper than {MAX_DEPTH} levels")
        reader = _READERS.get(kind)
        content = getattr(message, kind)
        return content if reader is None else reader(self, content, depth)

    def map(self, message: value_pb2.Map, depth: int) -> dict[Any, Any]:
        """The entries as a dict; their values stand at `depth`."""
        self.count(len(message.entries), "a map")
        values: dict[Any, Any] = {}
        others: set[object] = set()
        for entry in message.entries:
            kind = entry.WhichOneof("key")
            if kind == "name":
                key: Any = entry.name
                twice = key in values
            else:
                key = self._key(entry.other, depth, _KEYS)
                twice = (identity := _identity(key)) in others
                others.add(identity)
            if twice:
                raise _Malformed(f"a map has the key {key!r:.60} twice")
            _check_key(key)
            try:
                values[key] = self.value(entry.value, depth)
            except _Malformed as error:
                error.steps.append(key if isinstance(key, (str, int)) else repr(key)[:60])
                raise
        return values

    def all(self, messages: Sequence[_DynamicValue], depth: int, noun: str) -> list[Any]:
        """The values of several messages, which stand at `depth`."""
        self.count(len(messages), noun)
        values: list[Any] = []
        for i, message in enumerate(messages):
            try:
                values.append(self.value(message, depth))
            except _Malformed as error:
                error.steps.append(i)
                raise
        return values

    def array(self, array: DynamicArray) -> Any:
        """An array or typed scalar of the backend."""
        return self._backend.from_dynamic(array)

    def count(self, more: int, noun: str) -> None:
        """Check how many parts one value, and all of them, have, before any is read."""
        self._values += more
        if more > MAX_PARTS:
            raise _Malformed(f"{noun} has {more} parts; the limit is {MAX_PARTS}")
        if self._values > MAX_VALUES:
            raise _Malformed(f"there are more values than the limit of {MAX_VALUES}")

    def count_empty(self, more: int) -> None:
        """Check how many empty lists an array without elements may become."""
        self._empty += more
        if self._empty > MAX_EMPTY_LISTS:
            raise _Malformed(f"arrays without elements become more than {MAX_EMPTY_LISTS} lists")

    def _key(self, message: _DynamicValue, depth: int, kinds: frozenset[str]) -> Any:
        kind = message.WhichOneof("kind") or "value of no kind"
        if kind == "tuple_value" and depth <= MAX_DEPTH:
            parts = message.tuple_value.elements
            self.count(len(parts), "the key of a map")
            return tuple([self._key(part, depth + 1, _KEY_PARTS) for part in parts])
        if kind not in kinds:
            raise _Malformed(f"the key of a map is written as a {kind}")
        return self.value(message, depth)


def _identity(key: object) -> object:
    """What tells keys apart: NaN is equal to nothing, not even to itself."""
    if isinstance(key, tuple):
        return tuple(map(_identity, key))
    return (_NAN, struct.pack("<d", key)) if isinstance(key, float) and key != key else key


def _check_key(key: object) -> None:
    if not isinstance(key, (str, bytes)) or len(key) <= MAX_KEY_BYTES // 4:
        return  # No character has more than four bytes.
    size = len(key.encode()) if isinstance(key, str) else len(key)
    if size > MAX_KEY_BYTES:
        raise _Malformed(f"the key of a map has {size} bytes; the limit is {MAX_KEY_BYTES}")


def _read_big_int(reader: _Reader, data: bytes, depth: int) -> int:
    if not 0 < len(data) <= MAX_INTEGER_BYTES:
        raise _Malformed(f"an integer has {len(data)} bytes instead of 1 to {MAX_INTEGER_BYTES}")
    return int.from_bytes(data, "little", signed=True)


def _read_list(reader: _Reader, message: value_pb2.List, depth: int) -> list[Any]:
    return reader.all(message.elements, depth + 1, "a list")


def _read_tuple(reader: _Reader, message: value_pb2.List, depth: int) -> tuple[Any, ...]:
    return tuple(reader.all(message.elements, depth + 1, "a tuple"))


def _read_map(reader: _Reader, message: value_pb2.Map, depth: int) -> dict[Any, Any]:
    return reader.map(message, depth + 1)


def _read_scalar(reader: _Reader, message: value_pb2.Scalar, depth: int) -> Any:
    element = _element(message.dtype)
    _check_data(message.data, element, 1, "a scalar")
    return reader.array(DynamicArray(element, None, message.data))


def _read_tensor(reader: _Reader, message: value_pb2.Tensor, depth: int) -> Any:
    element = _element(message.dtype)
    shape = _shape(message.shape, MAX_ELEMENTS)
    _check_data(message.data, element, math.prod(shape), "a tensor")
    return reader.array(DynamicArray(element, shape, message.data))


def _read_objects(reader: _Reader, message: value_pb2.ObjectArray, depth: int) -> Any:
    shape = _shape(message.shape, MAX_PARTS)
    if len(message.elements) != math.prod(shape):
        raise _Malformed(f"an array of shape {shape} has {len(message.elements)} elements")
    if not message.elements:
        reader.count_empty(math.prod(shape[: shape.index(0)]))
    elements = reader.all(message.elements, depth + 1, "an array")
    return reader.array(DynamicArray(None, shape, None, elements))


def _element(number: int) -> DType:
    try:
        return dtype_from_wire(number)
    except CodecError as error:
        raise _Malformed(error.message) from None


def _shape(extents: Sequence[int], most: int) -> tuple[int, ...]:
    """A shape within the limits; an extent of 0 does not excuse the others."""
    if len(extents) > MAX_DIMENSIONS or math.prod(max(n, 1) for n in extents) > most:
        words = f"{len(extents)} dimensions, {tuple(extents[:8])}"
        raise _Malformed(
            f"a shape of {words}, is over the limit of {MAX_DIMENSIONS} dimensions and {most} "
            f"elements"
        )
    return tuple(extents)


def _check_data(data: bytes, element: DType, count: int, noun: str) -> None:
    if len(data) != count * element.itemsize:
        raise _Malformed(f"{noun} has {len(data)} bytes instead of {count * element.itemsize}")
    if element.kind == "b" and data.translate(None, b"\0\1"):
        raise _Malformed(f"{noun} has a bool that is neither 0 nor 1")


_READERS: dict[str, Callable[[_Reader, Any, int], Any]] = {
    "null_value": lambda *_: None,
    "big_int_value": _read_big_int,
    "scalar_value": _read_scalar,
    "tensor_value": _read_tensor,
    "object_array_value": _read_objects,
    "list_value": _read_list,
    "tuple_value": _read_tuple,
    "map_value": _read_map,
}
