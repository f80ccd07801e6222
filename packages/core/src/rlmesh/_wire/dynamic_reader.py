"""`DynamicValue` -> Python's values, with every rule and limit of the contract checked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._wire.bounded_repr import bounded_repr
from rlmesh._wire.dtypes import known_dtype, unknown_dtype
from rlmesh._wire.dynamic_limits import (
    BrokenRule,
    Parts,
    check_data,
    check_depth,
    check_integer,
    check_key,
    check_numbers_shape,
    check_objects_shape,
    key_identity,
)
from rlmesh.backends import ArrayBackend, DynamicArray
from rlmesh.dtypes import DType
from rlmesh.errors import CodecError
from rlmesh.spaces import path_text

__all__ = ["dynamic_from_wire", "map_from_wire"]

_KEYS = frozenset(
    ["null_value", "bool_value", "int_value", "big_int_value", "float_value", "bytes_value"]
)
_KEY_PARTS = _KEYS | {"string_value"}
_DynamicValue = value_pb2.DynamicValue


def map_from_wire(
    message: value_pb2.DynamicMap, backend: ArrayBackend, root: str = "value"
) -> dict[Any, Any]:
    """Return the entries as a dict, in order.

    Args:
        message: The map.
        backend: Backend that makes arrays and typed scalars.
        root: Name of the map in messages ("info").

    Raises:
        CodecError: If an entry lacks its key or value, a key comes twice, a value is malformed, or
            there is more of something than the contract allows (M-1); the message has the path.
    """
    try:
        return _Reader(backend).map(message, 1)
    except BrokenRule as error:
        raise _at(error, root) from None


def dynamic_from_wire(message: _DynamicValue, backend: ArrayBackend, root: str = "value") -> Any:
    """Return the Python value of a message; arguments and errors as for `map_from_wire`."""
    try:
        return _Reader(backend).value(message, 1)
    except BrokenRule as error:
        raise _at(error, root) from None


def _at(error: BrokenRule, root: str) -> CodecError:
    path = root + path_text(error.steps[::-1])
    return CodecError(error.reason, path=path, rule=error.rule)


class _Reader:
    """Reads one value or map; counts its parts, so that a limit holds for all of it.

    Args:
        backend: Backend that makes arrays and typed scalars.
    """

    def __init__(self, backend: ArrayBackend) -> None:
        self._backend = backend
        self._parts = Parts()

    def value(self, message: _DynamicValue, depth: int) -> Any:
        """Return the value of a message."""
        kind = message.WhichOneof("kind")
        if kind is None:
            raise BrokenRule("a value has no kind (or one of a newer spec)", "D-1")
        check_depth(depth)
        reader = _READERS.get(kind)
        content = getattr(message, kind)
        return content if reader is None else reader(self, content, depth)

    def map(self, message: value_pb2.DynamicMap, depth: int) -> dict[Any, Any]:
        """Return the entries as a dict; their values stand at `depth`."""
        self._parts.count(len(message.entries), "a map")
        values: dict[Any, Any] = {}
        others: set[object] = set()
        for entry in message.entries:
            kind = entry.WhichOneof("key")
            if kind == "name":
                key: Any = entry.name
                twice = key in values
            else:
                key = self._key(entry.other, depth, _KEYS)
                twice = (identity := key_identity(key)) in others
                others.add(identity)
            if twice:
                raise BrokenRule(f"a map has the key {bounded_repr(key, 60)} twice", "D-6")
            check_key(key)
            try:
                if not entry.HasField("value"):
                    raise BrokenRule("an entry of a map has no value", "D-6")
                values[key] = self.value(entry.value, depth)
            except BrokenRule as error:
                error.steps.append(_step_of(key))
                raise
        return values

    def all(self, messages: Sequence[_DynamicValue], depth: int, noun: str) -> list[Any]:
        """Return the values of several messages, which stand at `depth`."""
        self._parts.count(len(messages), noun)
        values: list[Any] = []
        for i, message in enumerate(messages):
            try:
                values.append(self.value(message, depth))
            except BrokenRule as error:
                error.steps.append(i)
                raise
        return values

    def array(self, array: DynamicArray) -> Any:
        """Return an array or typed scalar of the backend."""
        return self._backend.from_dynamic(array)

    def objects(self, message: value_pb2.ObjectArray, depth: int) -> Any:
        """Return an array of any values, which stand at `depth`."""
        shape = tuple(message.shape)
        check_objects_shape(shape, len(message.elements))
        self._parts.count_empty(shape)
        elements = self.all(message.elements, depth, "an array")
        return self.array(DynamicArray(None, shape, None, elements))

    def _key(self, message: _DynamicValue, depth: int, kinds: frozenset[str]) -> Any:
        kind = message.WhichOneof("kind") or "value of no kind"
        if kind == "tuple_value":
            check_depth(depth)
            parts = message.tuple_value.elements
            self._parts.count(len(parts), "the key of a map")
            return tuple([self._key(part, depth + 1, _KEY_PARTS) for part in parts])
        if kind not in kinds:
            raise BrokenRule(f"the key of a map is written as a {kind}", "D-6")
        return self.value(message, depth)


def _step_of(key: object) -> str | int:
    """Return a key as a step of a path; Python makes no digits of a huge integer."""
    short = isinstance(key, int) and key.bit_length() <= 64
    return key if short or isinstance(key, str) else bounded_repr(key, 60)  # type: ignore[return-value]


def _read_big_int(reader: _Reader, data: bytes, depth: int) -> int:
    check_integer(len(data))
    return int.from_bytes(data, "little", signed=True)


def _read_list(reader: _Reader, message: value_pb2.DynamicList, depth: int) -> list[Any]:
    return reader.all(message.elements, depth + 1, "a list")


def _read_tuple(reader: _Reader, message: value_pb2.DynamicList, depth: int) -> tuple[Any, ...]:
    return tuple(reader.all(message.elements, depth + 1, "a tuple"))


def _read_map(reader: _Reader, message: value_pb2.DynamicMap, depth: int) -> dict[Any, Any]:
    return reader.map(message, depth + 1)


def _read_scalar(reader: _Reader, message: value_pb2.Scalar, depth: int) -> Any:
    element = _element(message.dtype)
    check_data(message.data, element, 1, "a scalar", "D-4")
    return reader.array(DynamicArray(element, None, message.data))


def _read_tensor(reader: _Reader, message: value_pb2.Tensor, depth: int) -> Any:
    element = _element(message.dtype)
    shape = tuple(message.shape)
    check_numbers_shape(shape, element.itemsize)
    check_data(message.data, element, math.prod(shape), "a tensor")
    return reader.array(DynamicArray(element, shape, message.data))


def _read_objects(reader: _Reader, message: value_pb2.ObjectArray, depth: int) -> Any:
    return reader.objects(message, depth + 1)


def _element(number: int) -> DType:
    element = known_dtype(number)
    if element is None:
        raise BrokenRule(unknown_dtype(number), "S-3")
    return element


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
